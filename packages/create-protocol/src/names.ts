import { isBuiltin } from "node:module";

/** What names a new plugin: one of them, and the others follow, unless they are given. */
export interface NameOptions {
  /** `my-wire`: what the factory, the classes and the rest are called after. */
  readonly name: string;
  /** Of its URLs. The name without its dashes by default: `mywire`. */
  readonly scheme?: string | undefined;
  /** Of the npm package. `polywire-my-wire` by default. */
  readonly packageName?: string | undefined;
}

/** The names of a new plugin, in every form that its files need. */
export interface Names {
  /** Of the factory, and of the protocol in logs: `mywire`. */
  readonly factory: string;
  /** What the names of classes and types begin with: `Mywire`. */
  readonly type: string;
  readonly scheme: string;
  readonly packageName: string;
}

const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
/** RFC 3986, section 3.1, in lower case as networks want it. */
const SCHEME = /^[a-z][a-z0-9+.-]*$/;
/** What npm takes for a new package: URL-safe, in lower case, perhaps in a scope. */
const PACKAGE = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;
const MAX_NAME_LENGTH = 40;
const MAX_PACKAGE_LENGTH = 214;

/** Schemes of protocols that exist already. Two of one scheme cannot be in one network. */
const TAKEN: ReadonlySet<string> = new Set("tcp tcps unix udp http https ws wss grpc grpcs memory".split(" "));

/** Words that JavaScript keeps for itself, at least in modules. */
const RESERVED: ReadonlySet<string> = new Set(
  `arguments await break case catch class const continue debugger default delete do else enum eval export extends false
  finally for function if implements import in instanceof interface let new null package private protected public return
  static super switch this throw true try typeof undefined var void while with yield`.split(/\s+/),
);

/** Words that the files of a plugin use beside its factory. */
const IN_USE: ReadonlySet<string> = new Set(
  "connection console dial law laws listener network subject test".split(" "),
);

/** @throws Error with one line that says what to write instead. */
export function namesOf({ name, scheme, packageName = `polywire-${name}` }: NameOptions): Names {
  const factory = name.replaceAll("-", "");
  if (!NAME.test(name) || name.length > MAX_NAME_LENGTH) {
    const advice = `give up to ${MAX_NAME_LENGTH} lower-case letters, digits and single dashes, such as my-wire`;
    throw new Error(`"${name}" is no name: ${advice}`);
  }
  if (RESERVED.has(factory)) throw new Error(`"${name}" is a word of JavaScript's: choose another`);
  if (IN_USE.has(factory)) throw new Error(`"${name}" is a word that a plugin's files need themselves: choose another`);
  checkScheme(scheme ?? factory, scheme === undefined ? `"${name}" gives the scheme ${factory}:` : `"${scheme}"`);
  checkPackageName(packageName);
  const type = factory.charAt(0).toUpperCase() + factory.slice(1);
  return { factory, type, scheme: scheme ?? factory, packageName };
}

function checkScheme(scheme: string, subject: string): void {
  if (!SCHEME.test(scheme) || scheme.length > MAX_NAME_LENGTH) {
    const advice = `give a letter, then letters, digits, "+", "-" and ".", all in lower case`;
    throw new Error(`${subject} is no scheme: ${advice}`);
  }
  if (TAKEN.has(scheme)) throw new Error(`${subject}, which a protocol of Polywire's has: choose another`);
}

function checkPackageName(name: string): void {
  const isTaken = isBuiltin(name) || name === "node_modules" || name === "favicon.ico";
  if (PACKAGE.test(name) && name.length <= MAX_PACKAGE_LENGTH && !isTaken) return;
  throw new Error(`"${name}" is no name for an npm package: give one such as polywire-my-wire or @you/my-wire`);
}
