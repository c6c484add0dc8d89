// mocha's spec reporter that also writes {passed, failed, skipped} to the file named by its option `counts`.
// Loaded by mocha on behalf of test.mjs.
import { writeFileSync } from 'node:fs'

import Mocha from 'mocha'

export default class CountingReporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats
      const counts = { passed: passes, failed: failures, skipped: pending }
      writeFileSync(options.reporterOptions.counts, JSON.stringify(counts))
    })
  }
}
