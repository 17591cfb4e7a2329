import type { Reporter, TestCase } from "vitest/node";

/** Ends the run with one plain line that any CI can read: `12 passed, 0 failed`, and the skipped when there are some. */
export default class TallyReporter implements Reporter {
  #counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };

  onTestCaseResult(testCase: TestCase): void {
    this.#counts[testCase.result().state] += 1;
  }

  onTestRunEnd(testModules: readonly { errors(): unknown[] }[], unhandledErrors: readonly unknown[]): void {
    // A file that does not even load and an error outside every test fail the run, so they count.
    const broken = testModules.filter((testModule) => testModule.errors().length > 0).length + unhandledErrors.length;
    const { passed, failed, skipped, pending } = this.#counts;
    const unrun = skipped + pending;
    // After the other reporters: theirs print in the same turn.
    process.once("exit", () => {
      process.stdout.write(`\n${passed} passed, ${failed + broken} failed${unrun > 0 ? `, ${unrun} skipped` : ""}\n`);
    });
  }
}
