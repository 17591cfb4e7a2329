import { defineProject } from "vitest/config";

/** What every package's tests share: workspace packages resolve to their source, so no test needs a build. */
export default defineProject({
  // Vite's own server conditions follow ours.
  ssr: { resolve: { conditions: ["@polywire/source", "module", "node", "development|production"] } },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
