/** Refusals: what a call that must fail says. */
import { expect } from 'chai'
import { EtherloomError } from '../../lib/index.js'

/** The EtherloomError that the call throws, or its promise rejects with. Anything else fails the test. */
export async function refusal(call: (() => unknown) | Promise<unknown>): Promise<EtherloomError> {
  try {
    await (typeof call === 'function' ? call() : call)
  } catch (error) {
    expect(error).to.be.instanceOf(EtherloomError)
    return error as EtherloomError
  }
  return expect.fail('was not refused')
}

/** What the promise is rejected with, which need not be an EtherloomError. */
export const rejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => expect.fail('was not rejected'),
    (error: unknown) => error,
  )

/** Text that only a slip of ours brings into a message. */
export const raw =
  /(?<!not )\bundefined\b|\[object |is not a function|is not iterable|annot read prop|annot convert|\bNaN\b(?<!not NaN)/
