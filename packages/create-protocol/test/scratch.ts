import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of its own for one test, removed afterwards. */
export function scratch(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "polywire-plugin-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
