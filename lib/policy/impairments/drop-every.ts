/** Loses every so manieth frame, by counting them: nothing is drawn. */
import { about } from '../../values/options.js'
import { runLength } from './chance.js'
import type { ImpairmentKind } from './impairment.js'

export const dropEvery: ImpairmentKind<number> = {
  rule: about('Every so manieth frame is lost: of 10, the tenth.', runLength),
  settings: (every) => [every],
}
