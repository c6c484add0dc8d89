/** Interfaces of the kernel. */
import { quote } from '../../values/quote.js'
import { interfaceName, type Module } from '../command.js'
import { ip } from '../interfaces.js'
import { codes, Refusal } from '../replies.js'

export const link: Module = {
  set: {
    words: [2, 2],
    fault: codes.other,
    async run(_, word = '', state = '') {
      if (state !== 'up' && state !== 'down')
        throw new Refusal(codes.value, `${quote(state)} is not 'up' or 'down'`)
      await ip(codes.other, 'link', 'set', 'dev', interfaceName(word), state)
      return `${quote(word)} is ${state}`
    },
  },
}
