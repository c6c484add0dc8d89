/**
 * Makes a promise that is rejected with nobody to hear of it fail the run, which mocha by itself lets pass.
 * Required by .mocharc.json, before any test file.
 */
const known = new WeakSet<Promise<unknown>>()

process.on('unhandledRejection', (reason, promise) => {
  if (known.has(promise)) return // mocha tells everybody again
  known.add(promise)
  // Outside of the promise it is an uncaught exception, and mocha gives that to the test that is running.
  setImmediate(() => {
    throw reason
  })
})
