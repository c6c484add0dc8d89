/** Scenarios of MiniWorld: JSON with comments. */
import { readFileSync } from 'node:fs'
import { foreign } from '../foreign.js'

export const target = foreign('miniworld', {
  words: [
    '"network"',
    '"provisioning"',
    '"links"',
    '"model"',
    '"bandwidth"',
    '"cnt_nodes"',
    '"core"',
    '"topologies"',
    '"mode"',
    '"lan"',
    '"wifi"',
    '"hub"',
    '//',
    '/*',
    '*/',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    'null',
    'true',
    '"',
  ],
  seeds: ['bridged-lan', 'bridged-wifi', 'config'].map((name) =>
    readFileSync(`examples/miniworld/${name}.json`),
  ),
})
