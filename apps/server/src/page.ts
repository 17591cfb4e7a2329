import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Route, staticRoute } from "./site.ts";

const CONTENT_TYPES = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
} as const;

const FILES = ["chat.css", "chat.js", "connection.js", "favicon.svg", "identity.js", "messages.js", "people.js"];

/** The chat page and everything it loads, read once: nothing of the file system is reachable by a path. */
export function pageRoutes(): Map<string, Route> {
  const routes = new Map<string, Route>([
    ["/", fileRoute(publicFile("index.html"))],
    ["/centrifuge.js", fileRoute(sdkFile())],
  ]);
  for (const name of FILES) routes.set(`/${name}`, fileRoute(publicFile(name)));
  return routes;
}

function fileRoute(file: string): Route {
  const extension = file.slice(file.lastIndexOf(".") + 1) as keyof typeof CONTENT_TYPES;
  return staticRoute(CONTENT_TYPES[extension], readFileSync(file));
}

/** `public` lies beside both `src` and `dist`. */
function publicFile(name: string): string {
  return fileURLToPath(new URL(`../public/${name}`, import.meta.url));
}

/** The official SDK's build for browsers, which its package ships but does not export. */
function sdkFile(): string {
  const main = createRequire(import.meta.url).resolve("centrifuge");
  return path.join(path.dirname(main), "../dist/centrifuge.js");
}
