/** One host, as a program finds it that is started there. */
import type { Inside } from '../../engine/inside.js'
import { EtherloomError } from '../../values/errors.js'
import { about, anyText, listed, required, suggestion, text } from '../../values/options.js'
import { quote } from '../../values/quote.js'
import { fields, method } from '../method.js'

const word = (description: string) => about(description, required(text({ max: 4096 })))

export const host = method<{ host: string }, Inside>({
  description: 'What a program needs to run in a host: its namespaces, and what it is to find in /etc.',
  parameters: { host: word('the host') },
  result: fields<Inside>({
    host: word('its name'),
    namespace: word('the path of its network namespace, while the instance runs'),
    userNamespace: word('the path of the user namespace that owns it'),
    etcHosts: about('the content of /etc/hosts', required(anyText)),
    resolvConf: about('the content of /etc/resolv.conf, where the topology says it', anyText),
  }),
  example: {
    params: { host: 'red' },
    result: {
      ...{ host: 'red', namespace: '/proc/4711/fd/22', userNamespace: '/proc/4711/ns/user' },
      etcHosts: '127.0.0.1 localhost\n::1 localhost\n10.0.0.1 red\n',
      resolvConf: 'nameserver 10.0.0.2\n',
    },
  },
  call: async ({ host }, instance) => {
    const { network } = await instance
    const namespace = network.hosts.get(host)
    if (namespace) return (await import('../../topology/hosts.js')).insideOf(network.plan, host, namespace)
    const names = [...network.hosts.keys()]
    const near = suggestion(host, names)
    const hint = names.length > 0 ? listed('hosts', names) : "add 'hosts' to the topology's file"
    throw new EtherloomError('ERR_ETHERLOOM_NAME', `no host ${quote(host)}${near}`, {
      hint: near === '' ? hint : undefined,
    })
  },
})
