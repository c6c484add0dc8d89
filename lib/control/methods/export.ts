/** The running state as a topology. */
import type { Topology } from '../../topology/schema.js'
import { about } from '../../values/options.js'
import { anything, method } from '../method.js'

export const exportTopology = method<object, Topology>({
  description: 'The running state as a topology; bringing it up makes the same network.',
  parameters: {},
  result: about('a topology, as in a file', anything<Topology>('a topology')),
  example: { params: {}, result: { fabrics: { core: { kind: 'hub', ports: { red: { tap: 'red' } } } } } },
  call: async (_, instance) => (await instance).network.export(),
})
