/** Topology files of our own: mistakes have places in the text, and what `show topology` writes reads as what was read. */
import { readFileSync } from 'node:fs'
import { atPlace } from '../../../lib/topology/file-problem.js'
import { inspectTopology } from '../../../lib/topology/load.js'
import { readsAgain } from '../again.js'
import { insists, refusedOr, sentence, type Target } from '../target.js'

const examples = [
  'switch',
  'two-sites',
  'vlans',
  'flaky-uplink',
  'walkers',
  'satellite',
  'mobile',
  'gateway',
].map((name) => readFileSync(`examples/${name}.yaml`))

export const target: Target = {
  together: 4,
  words: [
    ...[
      'fabrics:',
      'hosts:',
      'worlds:',
      'kind: hub',
      'kind: wire',
      'ports:',
      'paths:',
      'timeline:',
      'tap:',
      'patch:',
      'between:',
    ],
    ...[
      'from:',
      'to:',
      'delay: 1ms',
      'loss: 2%',
      'netem:',
      'match:',
      'filter:',
      'group:',
      'vlan:',
      '&a',
      '*a',
      '<<: *a',
      '!!set',
      '? ',
    ],
    ...[
      '- ',
      '  ',
      '\t',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '|',
      '>',
      '%YAML 1.1\n---\n',
      '---\n',
      '...\n',
      '#',
      ': ',
      ', ',
      '~',
      '\u2028',
      '\ufeff',
    ],
  ],
  seeds: [...examples, '{"fabrics":{"a":{"kind":"wire","ports":{"x":{"patch":"a.y"},"y":{"patch":"a.x"}}}}}'],
  async read(input) {
    const text = input.toString()
    const found = await refusedOr(text, () => inspectTopology(text, 'net.yaml'), /OPTION|TOPOLOGY/)
    if (!found) return
    const lines = text.split('\n').length
    for (const problem of [...found.problems, ...found.notes]) {
      const { line, column, message } = problem
      sentence(atPlace(problem), text)
      insists(
        line >= 1 && line <= lines && column >= 1 && column <= text.length + 2,
        `at ${line}:${column}: ${message}`,
      )
    }
    insists((found.topology === undefined) === found.problems.length > 0, 'neither a topology nor a problem')
    if (found.topology) await readsAgain(found.topology)
  },
}
