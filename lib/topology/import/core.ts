/** The scenarios of CORE, as a format that `up`, `validate` and `import` take. */
import type { ForeignFormat } from './format.js'

export const core: ForeignFormat = {
  key: 'core',
  title: 'a scenario of CORE',
  options: {},
  recognises: (text) => /^\ufeff?\s*</.test(text) && /<(?:\w+:)?scenario[\s/>]/.test(text),
  convert: async (files) => (await import('./core-conversion.js')).convertCore(files),
}
