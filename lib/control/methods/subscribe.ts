/** Events. */
import { about, list, oneOf, required, text } from '../../values/options.js'
import { controlEvents, type ControlEventName } from '../events.js'
import { fields, method } from '../method.js'

export interface Subscription {
  events?: ControlEventName[]
}

const names = Object.keys(controlEvents) as ControlEventName[]

export const subscribe = method<Subscription, { events: string[] }>({
  description:
    'Sends events to this connection from now on, as notifications of the method `event`. A second subscription adds to the first. A connection that does not read what it is sent is cut off.',
  parameters: { events: about('which; by default all', list(oneOf(names))) },
  result: fields<{ events: string[] }>({
    events: about('those that are sent from now on', required(list(text()))),
  }),
  example: { params: { events: ['port:down', 'port:up'] }, result: { events: ['port:down', 'port:up'] } },
  call: async ({ events = [] }, instance, peer) => {
    const wanted = events.length === 0 ? names : events
    peer.subscribe(await instance, wanted)
    return { events: wanted }
  },
})
