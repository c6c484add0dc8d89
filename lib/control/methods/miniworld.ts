/** The links of worlds in the JSON of MiniWorld. */
import type { LinkReports } from '../../topology/links-report.js'
import { about, oneOf, required } from '../../values/options.js'
import { anything, method } from '../method.js'

export interface Question {
  what: keyof LinkReports
}

export const miniworld = method<Question, LinkReports[keyof LinkReports]>({
  description: "The links of the worlds, in the JSON that MiniWorld's `mwcli info` prints.",
  parameters: {
    what: about('which report', required(oneOf(['connections', 'links', 'distances']))),
  },
  result: about("as MiniWorld's", anything<LinkReports[keyof LinkReports]>('an object')),
  example: { params: { what: 'connections' }, result: { '1': ['2', '3'], '2': ['3'] } },
  call: async ({ what }, instance) =>
    (await import('../../topology/links-report.js')).linkReports[what]((await instance).network),
})
