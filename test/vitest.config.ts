import { defineProject, type UserProjectConfigExport } from "vitest/config";

/** The tests about the workspace as a whole: its documents, its public names, its tarballs, its versions. */
const project: UserProjectConfigExport = defineProject({
  test: {
    name: "workspace",
    include: ["*.test.ts"],
    // Several files build, and they build into the same folders.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 240_000,
  },
});

export default project;
