import { defineProject, type UserProjectConfigExport } from "vitest/config";

/** What every package's tests share: workspace packages resolve to their source, so no test needs a build. */
const project: UserProjectConfigExport = defineProject({
  // Vite's own server conditions follow ours.
  ssr: { resolve: { conditions: ["@polywire/source", "module", "node", "development|production"] } },
  // No test times anything: what takes so long hangs, however busy the machine is.
  test: { include: ["test/**/*.test.ts"], environment: "node", testTimeout: 60_000, hookTimeout: 60_000 },
});

export default project;
