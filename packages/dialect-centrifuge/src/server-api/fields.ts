import type { ClientInfo, DataFormat, Publication } from "@polywire/core";

/*
 * What requests and results of the server API hold. One table of fields for each method is read and written in JSON and in
 * Protobuf, and described by the OpenAPI document.
 */

/** Bytes of the application. */
export interface ApiData {
  readonly bytes: Uint8Array;
  /** Absent: what the channel holds. */
  readonly format: DataFormat | undefined;
}

/** One of several fields, and which. */
export interface Choice {
  readonly name: string;
  readonly value: unknown;
}

export type Shape =
  | { readonly kind: "text"; readonly mayBeEmpty: boolean }
  /** A whole number from 0 on. */
  | { readonly kind: "count" }
  | { readonly kind: "integer" }
  | { readonly kind: "flag" }
  /** In JSON any value, or base64 in a field whose name begins with `b64`; in Protobuf bytes. */
  | { readonly kind: "data" }
  | { readonly kind: "list"; readonly of: Shape }
  | { readonly kind: "map"; readonly of: Shape }
  | { readonly kind: "object"; readonly fields: Fields }
  /** Exactly one of its fields. */
  | { readonly kind: "choice"; readonly fields: Fields }
  /** As clients see them, in results alone. */
  | { readonly kind: "publication" }
  | { readonly kind: "client" };

export interface Field<Value = unknown> {
  readonly shape: Shape;
  readonly description: string;
  /** A request must have it; a result has it also when it is zero or empty. */
  readonly isRequired: boolean;
  /** Never set: tells the compiler what the field holds. */
  readonly value?: Value;
}

export interface RequiredField<Value = unknown> extends Field<Value> {
  readonly isRequired: true;
}

export type Fields = Readonly<Record<string, Field>>;

/** What a request or result with these fields holds. */
export type ValuesOf<Table extends Fields> = {
  readonly [Name in keyof Table]: Table[Name] extends RequiredField<infer Value>
    ? Value
    : Table[Name] extends Field<infer Value>
      ? Value | undefined
      : never;
};

/** Values by the names of a table, whatever the table. */
export type Values = Readonly<Record<string, unknown>>;

export function required<Value>(field: Field<Value>): RequiredField<Value> {
  return { ...field, isRequired: true };
}

/** An empty text is the same as none. */
export function text(description: string): Field<string> {
  return optional({ kind: "text", mayBeEmpty: false }, description);
}

/** A text that means something when it is empty. */
export function anyText(description: string): Field<string> {
  return optional({ kind: "text", mayBeEmpty: true }, description);
}

export function count(description: string): Field<number> {
  return optional({ kind: "count" }, description);
}

export function integer(description: string): Field<number> {
  return optional({ kind: "integer" }, description);
}

export function flag(description: string): Field<boolean> {
  return optional({ kind: "flag" }, description);
}

export function data(description: string): Field<ApiData> {
  return optional({ kind: "data" }, description);
}

export function list<Value>(of: Field<Value>, description: string): Field<readonly Value[]> {
  return optional({ kind: "list", of: of.shape }, description);
}

export function map<Value>(of: Field<Value>, description: string): Field<ReadonlyMap<string, Value>> {
  return optional({ kind: "map", of: of.shape }, description);
}

export function object<Table extends Fields>(fields: Table, description: string): Field<ValuesOf<Table>> {
  return optional({ kind: "object", fields }, description);
}

export function choice(fields: Fields, description: string): Field<Choice> {
  return optional({ kind: "choice", fields }, description);
}

export function publication(description: string): Field<Publication> {
  return optional({ kind: "publication" }, description);
}

export function client(description: string): Field<ClientInfo> {
  return optional({ kind: "client" }, description);
}

function optional<Value>(shape: Shape, description: string): Field<Value> {
  return { shape, description, isRequired: false };
}
