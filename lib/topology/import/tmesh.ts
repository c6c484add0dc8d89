/** The machine descriptions of TME, as a format that `up`, `validate` and `import` take. */
import type { ForeignFormat } from './format.js'

/** `NAME: tme/...` or `NAME at NAME: tme/...`: no topology file says that. */
const creation = /^[ \t]*(?:connect[ \t]+)?[\w."/-]+(?:[ \t][^:#\n]*)?:[ \t]*[tn]me\/\w/m

export const tmesh: ForeignFormat = {
  key: 'tmesh',
  title: 'a tmesh file',
  options: {},
  recognises: (text) => creation.test(text),
  convert: async (files) => (await import('./tmesh-conversion.js')).convertMachines(files),
}
