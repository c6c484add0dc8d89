/** The topology files of containerlab, as a format that `up`, `validate` and `import` take. */
import type { ForeignFormat } from './format.js'

export const containerlab: ForeignFormat = {
  key: 'containerlab',
  title: 'a containerlab file',
  options: {},
  endings: ['.clab.yml', '.clab.yaml'],
  recognises: (text) =>
    /^["']?topology["']?[ \t]*:/m.test(text) && /^[ \t]+["']?nodes["']?[ \t]*:/m.test(text),
  convert: async (files) => (await import('./containerlab-conversion.js')).convertContainerlab(files),
}
