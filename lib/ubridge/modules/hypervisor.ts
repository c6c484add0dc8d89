/** The console itself: what it offers, and how it ends. */
import { quote } from '../../values/quote.js'
import { codes, Refusal } from '../replies.js'
import { spokenVersion } from '../version.js'
import type { Module } from '../command.js'

/** `all`: every module that there is, this one among them. */
export const hypervisorOf = (all: () => Readonly<Record<string, Module>>): Module => ({
  version: { words: [0, 0], fault: codes.other, run: () => spokenVersion },
  module_list: {
    words: [0, 0],
    fault: codes.other,
    run: () => ({ text: 'OK', details: Object.keys(all()) }),
  },
  cmd_list: {
    words: [1, 1],
    fault: codes.other,
    run(_, name = '') {
      const module = Object.hasOwn(all(), name) ? all()[name] : undefined
      if (!module) throw new Refusal(codes.noModule, `no module ${quote(name)} here`)
      const details = Object.entries(module).map(
        ([command, { words }]) => `${command} (min/max args: ${words.join('/')})`,
      )
      return { text: 'OK', details }
    },
  },
  reset: {
    words: [0, 0],
    fault: codes.remove,
    async run(console) {
      await console.deleteAll()
      return 'OK'
    },
  },
  close: { words: [0, 0], fault: codes.other, run: () => ({ text: 'OK', then: 'close' }) },
  stop: { words: [0, 0], fault: codes.other, run: () => ({ text: 'OK', then: 'stop' }) },
})
