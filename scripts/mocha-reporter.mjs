// mocha's spec reporter that also writes {passed, failed, skipped, failures} to the file named by its option
// `counts`; `failures` has a line per failed test. Loaded by mocha on behalf of test.mjs.
import { writeFileSync } from 'node:fs'

import Mocha from 'mocha'

export default class CountingReporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats
      const counts = {
        passed: passes,
        failed: failures,
        skipped: pending,
        failures: this.failures.map(
          (test) => `${test.fullTitle()}: ${String(test.err?.message).split('\n', 1)[0]}`,
        ),
      }
      writeFileSync(options.reporterOptions.counts, JSON.stringify(counts))
    })
  }
}
