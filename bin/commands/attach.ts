/** `etherloom attach` and `etherloom detach`: give what runs already a port of a running instance, and take it away. */
import { Option } from 'commander'
import { EtherloomError } from '../../lib/values/errors.js'
import { action, instanceCommand, withInstance, type InstanceFlags } from '../command.js'
import { printJson, printLine } from '../output.js'

interface AttachFlags extends InstanceFlags {
  docker?: string
  pid?: string
  netns?: string
  fabric?: string
  port?: string
  interface?: string
  address?: string[]
  mac?: string
  mtu?: string
  gateway?: string
}

const several = (value: string, before: string[] = []): string[] => [...before, value]

export const attach = instanceCommand(
  'attach',
  'give a container, process or namespace that runs already a port',
)
  .addOption(
    new Option('--docker <name>', 'a container of Docker, or a node of a containerlab').conflicts([
      'pid',
      'netns',
    ]),
  )
  .addOption(
    new Option('--pid <number>', 'the network namespace of a process').conflicts(['docker', 'netns']),
  )
  .addOption(
    new Option('--netns <name>', 'a network namespace, by its name or path').conflicts(['docker', 'pid']),
  )
  .option('--fabric <fabric>', 'the hub or switch; needed when the instance has several')
  .option('--port <name>', "name of the port (default: the container's, else 'pid-N' or the namespace's)")
  .option('--interface <name>', 'name of the interface inside (default: loom0)')
  .option(
    '--address <address>',
    'address with its prefix length, such as 10.0.0.7/24; may be given again',
    several,
  )
  .option('--mac <address>', "the interface's MAC address (default: a random one)")
  .option('--mtu <bytes>', 'bytes of the largest IP packet (default: 1500)')
  .option('--gateway <address>', 'a default route by this gateway')
  .action(
    action((options: AttachFlags) =>
      withInstance(options, async (instance) => {
        const { docker, pid, netns, address: addresses = [], mac, mtu, gateway } = options
        const given = docker ?? netns ?? (pid === undefined ? undefined : `pid-${pid}`)
        if (given === undefined)
          throw new EtherloomError(
            'ERR_ETHERLOOM_OPTION',
            'say what is to be attached: --docker, --pid or --netns',
          )
        const port =
          options.port ??
          given
            .replace(/.*\//s, '')
            .replace(/[^A-Za-z0-9_-]+/g, '-')
            .slice(0, 63)
        const fabric = options.fabric ?? onlyFabric(Object.keys((await instance.call('export', {})).fabrics))
        const { steps } = await instance.call('attach', {
          ...{ port, fabric, addresses },
          ...(docker !== undefined && { docker }),
          ...(pid !== undefined && { pid: numberOf(pid, '--pid') }),
          ...(netns !== undefined && { netns }),
          ...(options.interface !== undefined && { interface: options.interface }),
          ...(mac !== undefined && { mac }),
          ...(mtu !== undefined && { mtu: numberOf(mtu, '--mtu') }),
          ...(gateway !== undefined && { gateway }),
        })
        if (options.json) printJson({ port, fabric, steps })
        else printLine(`${fabric}.${port}: attached`)
        return 0
      }),
    ),
  )

export const detach = instanceCommand('detach', 'take away what attach has given')
  .argument('<port>', 'the name of the port')
  .action(
    action((port: string, options: InstanceFlags) =>
      withInstance(options, async (instance) => {
        const { steps } = await instance.call('detach', { port })
        if (options.json) printJson({ port, steps })
        else printLine(`${port}: detached`)
        return 0
      }),
    ),
  )

function onlyFabric(names: readonly string[]): string {
  const [only, ...more] = names
  if (only !== undefined && more.length === 0) return only
  throw new EtherloomError('ERR_ETHERLOOM_OPTION', 'say which fabric: --fabric NAME', {
    hint: names.length === 0 ? 'the instance has none' : `there are ${names.join(', ')}`,
  })
}

function numberOf(text: string, option: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw new EtherloomError('ERR_ETHERLOOM_OPTION', `'${option}' must be a whole number, not '${text}'`)
}
