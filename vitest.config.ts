import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: ["packages/*", "apps/*", "test/vitest.config.ts"],
    reporters: ["default", "./scripts/tally-reporter.ts"],
  },
});
