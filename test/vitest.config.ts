import { defineProject } from "vitest/config";

/** The tests about the workspace as a whole: its documents, its public names, its tarballs, its versions. */
export default defineProject({
  test: { name: "workspace", include: ["*.test.ts"], testTimeout: 120_000, hookTimeout: 240_000 },
});
