/** MiniWorld's scenarios, as a format that `up`, `validate` and `import` take. */
import { about, oneOf, type RulesOf } from '../../values/options.js'
import { sourceFile, type ForeignFormat } from './format.js'
import type { MiniworldOptions } from './miniworld-conversion.js'

export const miniworld: ForeignFormat<MiniworldOptions> = {
  key: 'miniworld',
  title: 'a scenario of MiniWorld',
  options: {
    config: about("MiniWorld's config.json.", sourceFile),
    machines: about(
      'What stands for its nodes: hosts (the default), taps for others to use, packet sockets on the TAPs of others, or folders of VDE switches.',
      oneOf(['hosts', 'taps', 'packet', 'vde']),
    ),
  } satisfies RulesOf<MiniworldOptions>,
  recognises: (text) =>
    /^\s*(?:\/\/[^\n]*\n\s*)*\{/.test(text) && /"(?:cnt_nodes|walk_model)"\s*:/.test(text),
  convert: async (...given) => (await import('./miniworld-conversion.js')).convertScenario(...given),
}
