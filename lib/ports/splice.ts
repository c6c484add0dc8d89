/**
 * SplicePort: a port in the middle of a link that exists. What the interface's kernel sends comes in here instead of going on its
 * link, and what goes out here that kernel receives as if it had come by the link. Called by fabrics, as every port.
 *
 * Theory of operation. A TAP stands beside the interface, in its namespace. Two filters of tc(8) lead frames: what leaves on the
 * interface goes to the TAP (clsact, egress; mirred redirect), and what the TAP brings becomes what the interface has received
 * (mirred redirect to ingress). So the interface stays the same device, with its name, number, addresses, routes, MAC, MTU and the
 * sockets that are bound to it, and the link is there again the moment that the filters go. The TAP has the interface's address: to
 * whom a frame is sent the kernel judges by that of the device which brings it, before the redirection. A guardian makes them and takes them
 * out: when it is told to, and when this process is gone. It knows its own filters by their preference.
 */
import { constants } from 'node:os'
import { addon, here, native, type Device } from '../binding.js'
import type { Guardian } from '../engine/guardian.js'
import { namespaceRule, type Namespace } from '../engine/namespace.js'
import { interfaceMac } from '../values/addresses.js'
import { interfaceRule, nameRule } from '../values/names.js'
import { about, optionsReader, required, text, type RulesOf } from '../values/options.js'
import { EtherloomError } from '../values/errors.js'
import { requirePrograms } from '../values/programs.js'
import { quote } from '../values/quote.js'
import { DevicePort } from './device.js'
import type { PortFabric } from './port.js'
import type { PortKind } from './kind.js'
import { openTap } from './tap.js'

/** Which interface, and where it is. */
export interface SplicePortOptions {
  /** The interface whose frames come here instead of going on its link. */
  interface: string
  /** The port's name in its fabric. Default: the interface's. */
  name?: string
  /** The network namespace of the interface: a Namespace, a path or a name. Default: this process's. */
  namespace?: string | Namespace
}

const readSpliceOptions = optionsReader('SplicePort', {
  interface: required(
    about('Existing interface whose frames come here instead of going on its link.', interfaceRule()),
  ),
  name: about("The port's name. Default: the interface's.", nameRule()),
  namespace: about("The interface's network namespace. Default: this process's.", namespaceRule),
} satisfies RulesOf<SplicePortOptions>)

/** By this preference the filters are ours, and nobody else's. */
const splicePreference = 60_729

/**
 * Run as a Guardian with the words INTERFACE TAP, and a third where another guardian has done that before. Says `spliced` on
 * descriptor 3 when frames go the new way. It is told each new address of the interface, a line each. What it takes out may be
 * gone, with its interface. A splice whose TAP is gone was left by a process that was killed together with its guardian.
 */
const spliceScript = `
link=$1 tap=$2 again=$3
# Where frames of the interface are led now, if anywhere.
target() {
  tc filter show dev "$link" egress pref ${splicePreference} 2> /dev/null | while read -r _ _ _ _ _ _ to device target; do
    [ "$to $device" != 'to device' ] || echo "\${target%%)*}"
  done
}
redirect() { # DEVICE HOOK TARGET DIRECTION
  tc qdisc add dev "$1" clsact 2> /dev/null
  tc filter replace dev "$1" "$2" pref ${splicePreference} handle 800::800 protocol all \\
    u32 match u32 0 0 action mirred "$4" redirect dev "$3"
}
restore() {
  tc filter del dev "$link" egress pref ${splicePreference} 2> /dev/null
  # Other programs may have filters of their own there.
  [ -n "$(tc filter show dev "$link" egress 2> /dev/null)$(tc filter show dev "$link" ingress 2> /dev/null)" ] ||
    tc qdisc del dev "$link" clsact 2> /dev/null
}
trap '' HUP INT PIPE TERM
other=$(target)
if [ -z "$again" ] && [ -n "$other" ] && ip link show dev "$other" > /dev/null 2>&1; then
  echo "it is spliced already: its frames go to $other" >&2
  exit 1
fi
if redirect "$tap" ingress "$link" ingress && redirect "$link" egress "$tap" egress; then
  echo spliced >&3
  while read -r address; do ip link set dev "$tap" address "$address" 2> /dev/null; done
  restore
else
  restore
  exit 1
fi
exit 0
`

/** Why its carrier cannot be taken away. */
const noCarrier = 'is a splice, whose interface keeps the carrier of its link'

/**
 * A link that exists, cut open: what the kernel of the interface sends comes in here, and what goes out here it receives. Two of
 * them, at both ends of a link, on a wire, put policies into that link, and nothing of the interfaces changes.
 *
 * What programs capture on the interface is what it receives; what it sends is seen on the TAP beside it, `splice0`
 * or another number. When the port closes, and when this process is killed, the link is what it was before.
 * Privilege: CAP_NET_ADMIN in the namespace. Needs tc and nsenter, and a kernel with sch_ingress, cls_u32 and act_mirred.
 *
 * @example
 * const left = await wire.attach(new SplicePort({ interface: 'eth1', namespace: 'left', name: 'left' }))
 */
export class SplicePort extends DevicePort {
  readonly #interface: string
  #guardian: Guardian | undefined
  #unwatch = (): void => undefined

  /** @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION */
  constructor(options: SplicePortOptions) {
    const { name, namespace, interface: spliced } = readSpliceOptions(options)
    super(name ?? spliced, namespace)
    this.#interface = spliced
  }

  protected override readonly endsWithInterface = true

  override get noCarrier(): string {
    return noCarrier
  }

  override async undone(): Promise<void> {
    await this.#guardian?.close()
  }

  protected override async open(fabric: PortFabric, signal?: AbortSignal): Promise<number> {
    const number = await super.open(fabric, signal)
    this.#unwatch = fabric.engine.watches.links(this.place?.held.handle, ({ change, nsid, name, mac }) => {
      if (change === 'changed' && nsid === here && name === this.#interface) this.#guardian?.tell(mac)
    })
    return number
  }

  protected override closed(fabric: PortFabric): void {
    this.#unwatch()
    void this.#guardian?.close()
    this.#guardian = undefined
    super.closed(fabric)
  }

  /** Opens the TAP beside the interface, and leads the frames there; on failure the link is as it was. */
  protected override async openDevice(namespace: unknown): Promise<Device> {
    await requirePrograms(`a splice of '${this.#interface}'`, ['ip', 'tc', 'nsenter'])
    await this.undone() // of the interface that vanished
    const found = await native(() => addon.findInterface(this.#interface, namespace))
    if (!found)
      throw new EtherloomError(
        'ERR_ETHERLOOM_NAME',
        `there is no interface ${quote(this.#interface)} to splice`,
        {
          hint: 'see which there are: ip link, in its namespace',
        },
      )
    const { name, index, mac, mtu, up } = found
    const options = {
      ...plainTap,
      name: 'splice%d',
      mac: interfaceMac()(mac, 'the address of the interface'),
      mtu: Math.min(Math.max(mtu, 68), 65_521),
    }
    const opened = await native(() => openTap({ ...options, namespace }))
    try {
      const tap = opened.name
      await quiet(tap, namespace)
      await native(() => addon.configureInterface({ interface: tap, up: true, namespace }))
      await this.#splice(name, tap)
    } catch (error) {
      addon.discardDevice(opened.device)
      throw error
    }
    return { ...opened, name, index, mac, mtu, up, created: false }
  }

  async #splice(name: string, tap: string, ...again: 'again'[]): Promise<void> {
    const { Guardian } = await import('../engine/guardian.js')
    const guardian = await Guardian.start(spliceScript, [name, tap, ...again], this.place?.path)
    try {
      await guardian.voice.until(/^spliced\n/)
    } catch {
      await guardian.close()
      throw refusal(name, guardian.said)
    }
    if (this.state === 'detaching' || this.state === 'detached') {
      await guardian.close() // it was detached meanwhile, when there was nothing to be closed yet
      throw new EtherloomError('ERR_ETHERLOOM_STATE', `port '${this.name}' is detached`)
    }
    this.#guardian = guardian
    void guardian.stands(false).then((byItself) => {
      if (byItself && this.#guardian === guardian) this.#again(name, tap)
    })
  }

  /** The guardian was killed, and nobody would undo the splice when we are: another takes its place. */
  #again(name: string, tap: string): void {
    this.#guardian = undefined
    this.#splice(name, tap, 'again').catch((error: unknown) => {
      this.fabric?.engine.failed(undefined, error)
    })
  }
}

/** Without a word of its own: IPv6 would speak on the TAP, and the other end of the link would hear it. */
async function quiet(tap: string, namespace: unknown): Promise<void> {
  const path = `net/ipv6/conf/${tap}/disable_ipv6`
  await native(() => addon.changeSysctl({ path, value: '1', namespace })).catch((error: unknown) => {
    if ((error as EtherloomError).errno !== constants.errno.ENOENT) throw error // without it, there is no IPv6 here
  })
}

const plainTap = {
  addresses: [],
  up: false,
  carrier: true,
  owner: undefined,
  group: undefined,
  persist: false,
  napi: false,
  queues: 1,
  filter: undefined,
  writeback: false,
  completeChecksums: false,
}

function refusal(name: string, said: string): EtherloomError {
  const lines = said.trim()
  const isOld =
    /Specified qdisc kind is unknown|Unknown (?:filter|action)|TC classifier not found|No such file/i.test(
      lines,
    )
  return new EtherloomError(
    isOld ? 'ERR_ETHERLOOM_UNSUPPORTED' : 'ERR_ETHERLOOM_DEVICE',
    `cannot splice '${name}': ${lines === '' ? 'tc does not say why' : lines}`,
    isOld
      ? {
          hint: 'the kernel needs sch_ingress, cls_u32 and act_mirred: modprobe -a sch_ingress cls_u32 act_mirred',
        }
      : {},
  )
}

export interface SpliceMapping {
  splice: string
}

/** `HOST:INTERFACE`, or the interface alone for this machine's. */
const ends = (splice: string): { host: string | undefined; name: string } => {
  const at = splice.indexOf(':')
  return at < 0
    ? { host: undefined, name: splice }
    : { host: splice.slice(0, at), name: splice.slice(at + 1) }
}

/** @internal A link that exists. */
export const spliceKind: PortKind<SpliceMapping, SplicePort> = {
  key: 'splice',
  options: {
    splice: required(
      about(
        "Existing interface whose frames come here instead of going on its link: 'HOST:INTERFACE', or one of this machine.",
        text({
          max: 80,
          pattern: /^(?:[A-Za-z0-9_-]+:)?[^\s/:]{1,15}$/,
          expects: "an interface of a host, such as 'red:eth1', or of this machine, such as 'eth1'",
        }),
      ),
    ),
  },
  make: (name, { splice }, { namespaceOf }) => {
    const { host, name: interfaceName } = ends(splice)
    const namespace = host === undefined ? undefined : namespaceOf(host)
    return new SplicePort({ name, interface: interfaceName, ...(namespace && { namespace }) })
  },
  leadsTo: ({ splice }) => splice,
  ownInterface: ({ splice }) => ({ key: 'splice', ...ends(splice), addresses: [], mac: undefined }),
  device: (port, engine) =>
    port.superFrames === undefined ? {} : { method: engine.io, superFrames: port.superFrames },
  noCarrier,
  programs: { tc: "'splice' needs it" },
}
