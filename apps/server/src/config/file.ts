import fs from "node:fs";
import { LineCounter, parseAllDocuments, type YAMLError } from "yaml";

/** A configuration is a page or two; whatever is larger is something else. */
const MAX_FILE_BYTES = 1_048_576;

const FILE_PROBLEMS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "no such file"],
  ["ENOTDIR", "no such file"],
  ["EACCES", "not readable: check its permissions"],
  ["EPERM", "not readable: check its permissions"],
  ["EISDIR", "is a directory, not a file"],
]);

/** The parser's own messages quote the file, which may hold secrets; these do not. */
const SYNTAX_PROBLEMS: ReadonlyMap<string, string> = new Map([
  ["ALIAS_PROPS", "wrong alias"],
  ["BAD_ALIAS", "wrong alias"],
  ["BAD_DQ_ESCAPE", "wrong escape in a quoted text"],
  ["BAD_INDENT", "wrong indentation, or a bracket or quote that is not closed"],
  ["BLOCK_AS_IMPLICIT_KEY", "wrong indentation: a mapping where one value belongs"],
  ["BLOCK_IN_FLOW", "an indented block inside brackets"],
  ["DUPLICATE_KEY", "a key is given twice"],
  ["MISSING_CHAR", "a comma, colon, bracket or quote is missing"],
  ["MULTILINE_IMPLICIT_KEY", "a colon is missing"],
  ["RESOURCE_EXHAUSTION", "nested too deeply"],
  ["TAB_AS_INDENT", "a tab in the indentation: use spaces"],
  ["TAG_RESOLVE_FAILED", "an unknown tag"],
]);

/** Reads a YAML or JSON file into plain values. Throws a sentence without anything that the file holds. */
export function readConfigFile(path: string): unknown {
  return parseConfig(readBounded(path));
}

function readBounded(path: string): Buffer {
  let fd: number | undefined;
  try {
    fd = fs.openSync(path, "r");
    const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = fs.readSync(fd, buffer, length, buffer.length - length, null);
    }
    if (length > MAX_FILE_BYTES) throw new Error("is larger than 1 MiB: that is no configuration");
    return buffer.subarray(0, length);
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    if (code === undefined) throw thrown;
    throw new Error(FILE_PROBLEMS.get(code) ?? `cannot be read (${code})`, { cause: thrown });
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

function parseConfig(bytes: Buffer): unknown {
  const text = decode(bytes);
  if (text.trim() === "") throw new Error("is empty: leave --config out to use the defaults");
  const lines = new LineCounter();
  let documents: ReturnType<typeof parseAllDocuments>;
  try {
    documents = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      logLevel: "silent",
      version: "1.2",
    });
  } catch (thrown) {
    if (thrown instanceof RangeError) throw new Error("is nested too deeply", { cause: thrown });
    throw thrown;
  }
  const [document, second] = documents;
  const error = document?.errors[0] ?? document?.warnings[0];
  if (error !== undefined) throw new Error(describeSyntaxError(error, lines));
  if (document === undefined) throw new Error("is empty: leave --config out to use the defaults");
  if (second !== undefined) throw new Error("holds more than one document (---): keep one");
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (thrown) {
    throw new Error("has aliases that are unknown or expand to too much", { cause: thrown });
  }
}

function decode(bytes: Buffer): string {
  const [first, second, third] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new Error("is UTF-16: save it as UTF-8");
  }
  if (first === 0xef && second === 0xbb && third === 0xbf) {
    throw new Error("begins with a byte order mark: save it as UTF-8 without BOM");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error("is not UTF-8 text", { cause });
  }
}

function describeSyntaxError(error: YAMLError, lines: LineCounter): string {
  const { line, col } = lines.linePos(error.pos[0]);
  return `line ${line}, column ${col}: ${SYNTAX_PROBLEMS.get(error.code) ?? "not valid YAML or JSON"}`;
}
