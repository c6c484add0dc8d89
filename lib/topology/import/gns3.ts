/** The projects of GNS3, as a format that `up`, `validate` and `import` take. */
import type { ForeignFormat } from './format.js'

export const gns3: ForeignFormat = {
  key: 'gns3',
  title: 'a project of GNS3',
  options: {},
  endings: ['.gns3'],
  recognises: (text) =>
    /^\s*\{/.test(text) && /"topology"\s*:\s*\{/.test(text) && /"(?:project_id|node_type)"\s*:/.test(text),
  convert: async (files) => (await import('./gns3-conversion.js')).convertProject(files),
}
