// That a change of everything takes hold at once, and costs no frame on paths that stay.

import type { Case } from '../case.js'
import { stated } from '../measures/stated.js'
import { etherloomProgram } from '../peers/in-process.js'
import type { ApplyConfig } from '../programs/apply.js'

function changeOf(config: ApplyConfig) {
  const name = `etherloom, ${config.policies.toLocaleString('en-US')} policies`
  return etherloomProgram({ name, program: 'apply', config, cores: 2 })
}

const paths = { ports: 1000, paths: 10_000 }

export const apply: Case = {
  name: 'apply',
  what: 'the policies of 10,000 paths replaced in one transaction while a generator sends flat out over three of their hub: milliseconds until it holds',
  measure: stated(
    { name: 'apply', unit: 'ms', digits: 1, better: 'less' },
    { name: 'worst', unit: 'ms', digits: 1 },
    { name: 'first', unit: 'ms', digits: 1, better: 'less' },
    { name: 'times', unit: '', digits: 0 },
    { name: 'lost', unit: 'frames', digits: 0 },
  ),
  peers: [changeOf({ ...paths, policies: 10_000 }), changeOf({ ...paths, policies: 100 })],
  goals: [
    { figure: 'apply', atMost: 50 },
    { figure: 'lost', atMost: 0, everyRound: true },
  ],
}
