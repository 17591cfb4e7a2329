/** The names of a new plugin, in every form that its files need. */
export interface Names {
  /** As it was given, and as the folder is called: `my-wire`. */
  readonly given: string;
  /** Of the URL scheme and the factory: `mywire`. */
  readonly scheme: string;
  /** Of classes and types: `Mywire`. */
  readonly type: string;
  /** Of the npm package. */
  readonly package: string;
}

const GIVEN = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const MAX_LENGTH = 40;
/** Protocols that exist already. Two of one scheme cannot be in one network. */
const TAKEN: ReadonlySet<string> = new Set([
  "tcp",
  "tcps",
  "unix",
  "udp",
  "http",
  "https",
  "ws",
  "wss",
  "grpc",
  "grpcs",
  "memory",
]);
/** Words that JavaScript keeps for itself. */
const RESERVED =
  /^(?:await|break|case|catch|class|const|continue|debugger|default|delete|do|else|enum|export|extends|false|finally|for|function|if|implements|import|in|instanceof|interface|let|new|null|package|private|protected|public|return|static|super|switch|this|throw|true|try|typeof|var|void|while|with|yield)$/;

/**
 * @throws Error with one line that says what to write instead.
 */
export function namesOf(given: string): Names {
  const scheme = given.replaceAll("-", "");
  if (!GIVEN.test(given) || given.length > MAX_LENGTH) {
    throw new Error(`"${given}" is no name: give lower-case letters, digits and single dashes, such as my-wire`);
  }
  if (TAKEN.has(scheme))
    throw new Error(`"${given}" gives the scheme ${scheme}:, which a protocol of Polywire's has: choose another`);
  if (RESERVED.test(scheme)) throw new Error(`"${given}" is a word of JavaScript's: choose another`);
  return { given, scheme, type: scheme.charAt(0).toUpperCase() + scheme.slice(1), package: `polywire-${given}` };
}
