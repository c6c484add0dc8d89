/**
 * A way out for a fabric: the TAP's host forwards and translates (NAT) what comes from the TAP's subnet to one interface,
 * and may give out addresses and answer for names. Called by TapPort, on the main thread; what lasts is done by the
 * guardian (gateway-script.ts), which undoes it when it is asked to or when this process is gone. When the guardian or one
 * of its programs ends, the gateway is undone, says so, and is set up again.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { here, type LinkNews } from '../binding.js'
import { Namespace } from '../engine/namespace.js'
import { EtherloomError, type ErrorCode } from '../values/errors.js'
import { suggestion } from '../values/options.js'
import { confined, isOnlyUser, requirePrograms, searchPath } from '../values/programs.js'
import { unlessAborted } from '../values/signals.js'
import { gatewayScript, mendScript, orphansScript, translation } from './gateway-script.js'
import { Guardian, runScript } from '../engine/guardian.js'
import type { GatewaySettings } from './options.js'
import { freeRange, maskOf, networkOf, overlap, parseSubnet, toText } from './subnet.js'

/** What a gateway is for: the TAP, its IPv4 address as `10.0.77.1/24`, and where it is. */
export interface GatewayPlace {
  tap: string
  address: string
  /** The path of the network namespace; undefined for this process's. */
  namespace: string | undefined
  /** Has news of the interfaces there told, until what this returns is called. */
  watch: (listener: (news: LinkNews) => void) => () => void
}

/** Who is told what becomes of a gateway. */
export interface GatewayListener {
  /** It has ended without being closed; it has been undone. */
  down(error: EtherloomError): void
  /** It stands again. */
  up(): void
  /** Something of it could not be undone as it should; nothing passes all the same. */
  failed(error: EtherloomError): void
}

/** The waits between attempts to set one up again, in milliseconds; the last repeats. */
const waits = [0, 100, 200, 500, 1000, 2000, 5000]
/** One that has held for so long, in milliseconds, was one: the next attempt is made at once. */
const settledAfter = 10_000

export class Gateway {
  readonly #settings: GatewaySettings
  readonly #place: GatewayPlace
  readonly #listener: GatewayListener
  readonly #space: Namespace | undefined
  readonly #closing = new AbortController()
  #unwatch: () => void = () => undefined
  #guardian: Guardian | undefined
  /** The words by which the guardian knows it, and the number of its outside interface. */
  #id: string | undefined
  #outside = -1
  #stoodAt = 0
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #undoing: Promise<void> | undefined
  /** What is under way: an attempt, or the end of what stood. */
  #work: Promise<void> = Promise.resolve()

  /**
   * Checks everything that can be checked while nothing has been touched; returns the interface that leads outside.
   *
   * @throws EtherloomError ERR_ETHERLOOM_UNSUPPORTED for a program that is missing; ERR_ETHERLOOM_NAME for an interface
   *   that does not exist; ERR_ETHERLOOM_DEVICE for one without an IPv4 address; ERR_ETHERLOOM_OPTION for a subnet that
   *   is in use
   */
  static async check(
    settings: GatewaySettings,
    { tap, address, namespace }: Omit<GatewayPlace, 'watch'>,
  ): Promise<Interface> {
    const { dhcp, dns } = settings
    const purpose = `the gateway of '${tap}'`
    await requirePrograms(purpose, ['ip', 'nft', 'flock', 'nsenter', 'setpriv'])
    if (dhcp !== false || dns !== false)
      await requirePrograms(`${purpose} (${[dhcp && 'dhcp', dns && 'dns'].filter(Boolean).join(', ')})`, [
        'dnsmasq',
      ])
    const interfaces = await listInterfaces(namespace)
    const outside = interfaces.find(({ ifname }) => ifname === settings.interface)
    if (outside === undefined) {
      const names = interfaces.map(({ ifname }) => ifname).filter((name) => name !== 'lo' && name !== tap)
      throw new EtherloomError(
        'ERR_ETHERLOOM_NAME',
        `${purpose} leads to '${settings.interface}', an interface that does not exist${suggestion(settings.interface, names)}`,
        names.length === 0 ? {} : { hint: `there ${names.length > 1 ? 'are' : 'is'} ${names.join(', ')}` },
      )
    }
    if (outside.addr_info.length === 0 || !outside.flags.includes('UP'))
      throw new EtherloomError(
        'ERR_ETHERLOOM_DEVICE',
        `${purpose} leads to '${settings.interface}', which ${outside.flags.includes('UP') ? 'has no IPv4 address' : 'is down'}`,
        { hint: "set it up with an address ('ip address'), or choose the interface that leads outside" },
      )
    const subnet = parseSubnet(address)
    for (const { ifname, addr_info } of interfaces)
      for (const { local, prefixlen } of addr_info) {
        if (ifname === tap || !overlap(subnet, parseSubnet(`${local}/${prefixlen}`))) continue
        throw new EtherloomError(
          'ERR_ETHERLOOM_OPTION',
          `the subnet of '${tap}', ${networkOf(subnet)}, overlaps with '${ifname}', which has ${local}/${prefixlen}`,
          { hint: 'give the TAP an address of a subnet that nothing else uses' },
        )
      }
    return outside
  }

  /**
   * Sets it up. The TAP must be there. When it fails, everything is as it was before.
   *
   * @throws EtherloomError ERR_ETHERLOOM_PRIVILEGE, ERR_ETHERLOOM_UNSUPPORTED, ERR_ETHERLOOM_DEVICE; the signal's reason
   */
  static async open(
    settings: GatewaySettings,
    place: GatewayPlace,
    listener: GatewayListener,
    signal?: AbortSignal,
  ): Promise<Gateway> {
    // Its own, for it may have to be undone when the port has let go of its.
    const space = place.namespace === undefined ? undefined : await Namespace.open(place.namespace)
    const gateway = new Gateway(settings, { ...place, namespace: space?.path }, listener, space)
    try {
      await gateway.#setUp(signal)
    } catch (error) {
      space?.close()
      throw error
    }
    gateway.#unwatch = place.watch((news) => {
      gateway.#heard(news)
    })
    return gateway
  }

  private constructor(
    settings: GatewaySettings,
    place: GatewayPlace,
    listener: GatewayListener,
    space: Namespace | undefined,
  ) {
    this.#space = space
    this.#settings = settings
    this.#place = place
    this.#listener = listener
  }

  /** Undoes everything; resolves when it is done. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#timer)
    this.#unwatch()
    await this.#work
    await this.#undo()
    this.#space?.close()
  }

  async #setUp(signal: AbortSignal | undefined): Promise<void> {
    const { tap, address, namespace } = this.#place
    const { interface: outside } = this.#settings
    const { ifindex } = await Gateway.check(this.#settings, this.#place)
    const dnsmasq = await dnsmasqCommand(this.#settings, this.#place)
    const prefix = await confined(['net_admin'])
    if (prefix.length === 0) throw noSetpriv(tap)
    const subnet = networkOf(parseSubnet(address))
    signal?.throwIfAborted()
    const words = [tap, outside, subnet, prefix.join(' '), ...dnsmasq]
    const guardian = await Guardian.start(gatewayScript, words, namespace)
    this.#guardian = guardian
    try {
      const [, id = ''] = await unlessAborted(guardian.voice.until(/^guarded (.+)$/m), signal)
      this.#id = id
      guardian.order(translation(id, subnet, outside))
      await unlessAborted(guardian.output.until(/^table ip /m), signal)
      guardian.tell('')
      await unlessAborted(
        guardian.voice.until(dnsmasq.length > 0 ? /started, version/ : /^forwarding$/m),
        signal,
      )
    } catch {
      await this.#undo()
      signal?.throwIfAborted()
      throw explained(`the gateway of '${tap}' cannot be set up`, guardian.said)
    }
    this.#outside = ifindex
    this.#stoodAt = performance.now()
    void guardian.stands(dnsmasq.length > 0).then((alone) => {
      if (alone) this.#fell(`nft${dnsmasq.length > 0 ? ', dnsmasq' : ''} or their guardian was ended`)
    })
  }

  /** What stood does so no more: undoes it, says so, and sets it up again. */
  #fell(reason: string): void {
    this.#outside = -1
    if (performance.now() - this.#stoodAt > settledAfter) this.#failures = 0
    this.#work = this.#undo().then(() => {
      if (this.#closing.signal.aborted) return
      this.#listener.down(explained(`the gateway of '${this.#place.tap}' has ended`, reason))
      this.#later()
    })
  }

  /** Sets it up again, after a wait. */
  #later(): void {
    if (this.#closing.signal.aborted) return
    const wait = waits[Math.min(this.#failures++, waits.length - 1)]
    this.#timer = setTimeout(() => {
      this.#again()
    }, wait).unref()
  }

  #again(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#work = this.#setUp(this.#closing.signal).then(
      () => {
        this.#listener.up()
      },
      () => {
        this.#later()
      },
    )
  }

  #heard({ change, nsid, index, name, moved }: LinkNews): void {
    if (nsid !== here) return
    if (change === 'vanished' && index === this.#outside && this.#guardian) {
      const { interface: outside } = this.#settings
      this.#fell(`'${outside}', which leads outside, ${moved ? 'is in another namespace now' : 'is gone'}`)
    } else if (name === this.#settings.interface && this.#timer) {
      this.#failures = 0
      this.#again()
    }
  }

  /** Has the guardian undo everything, and does it where the guardian does not. */
  #undo(): Promise<void> {
    this.#undoing ??= this.#undoNow().finally(() => (this.#undoing = undefined))
    return this.#undoing
  }

  async #undoNow(): Promise<void> {
    const [guardian, id] = [this.#guardian, this.#id]
    if (!guardian) return
    const { tap, namespace } = this.#place
    const undone = await guardian.close()
    this.#guardian = this.#id = undefined
    if (undone) return
    try {
      await runScript(mendScript, id === undefined ? [] : [id], namespace)
    } catch (cause) {
      const { stderr, message } = cause as { stderr?: string; message: string }
      const error = explained(`the gateway of '${tap}' could not be undone`, stderr ?? message)
      this.#listener.failed(error)
    }
  }
}

/** Names the guards that killed gateways of the namespace have left; what a guard is says gateway-script.ts. */
export async function leftovers(namespace?: string): Promise<string[]> {
  const said = await runScript(orphansScript, [], namespace)
  return said.split('\n').filter((line) => line !== '')
}

/** Undoes what killed gateways of the namespace have left. */
export const mend = async (namespace?: string): Promise<void> => {
  await runScript(mendScript, [], namespace)
}

const noSetpriv = (tap: string): EtherloomError =>
  new EtherloomError(
    'ERR_ETHERLOOM_UNSUPPORTED',
    `the gateway of '${tap}' needs a setpriv that knows --pdeathsig`,
    { hint: 'install the package util-linux' },
  )

/** dnsmasq's command line; empty when it is not needed. It reads no configuration and writes no file. */
async function dnsmasqCommand(
  { dhcp, dns }: GatewaySettings,
  { tap, address }: GatewayPlace,
): Promise<string[]> {
  if (dhcp === false && dns === false) return []
  return [
    ...(await confined(['net_admin', 'net_bind_service', 'net_raw'], { nobody: true })),
    'dnsmasq',
    ...['--conf-file=/dev/null', '--keep-in-foreground', '--pid-file=', '--log-facility=-'],
    ...(isOnlyUser() ? ['--user=', '--group='] : []),
    ...[`--interface=${tap}`, '--except-interface=lo', '--bind-interfaces'],
    ...(dhcp === false ? [] : dhcpWords(dhcp, address)),
    ...(dns === false ? ['--port=0'] : []),
    ...(Array.isArray(dns) ? ['--no-resolv', ...dns.map((server) => `--server=${server}`)] : []),
  ]
}

function dhcpWords(dhcp: true | { from: string; to: string }, address: string): string[] {
  const subnet = parseSubnet(address)
  const { first, last } = freeRange(subnet)
  const { from, to } = dhcp === true ? { from: toText(first), to: toText(last) } : dhcp
  // Leases are kept in memory only: the first addresses of clients that know theirs are theirs again all the same.
  return [
    `--dhcp-range=${from},${to},${maskOf(subnet)}`,
    '--dhcp-authoritative',
    '--leasefile-ro',
    '--quiet-dhcp',
  ]
}

/** What we read of `ip -json address`. */
interface Interface {
  ifindex: number
  ifname: string
  flags: string[]
  /** IPv4 only. */
  addr_info: { family: string; local: string; prefixlen: number }[]
}

async function listInterfaces(namespace: string | undefined): Promise<Interface[]> {
  const enter = namespace === undefined ? [] : ['nsenter', `--net=${namespace}`, '--']
  const [program, ...words] = [...enter, 'ip', '-json', 'address', 'show']
  const { stdout } = await promisify(execFile)(program, words, {
    env: { ...process.env, PATH: searchPath() },
  }).catch((error: unknown) => {
    const { stderr, message } = error as { stderr?: string; message: string }
    throw explained('the interfaces cannot be listed', stderr ?? message)
  })
  return (JSON.parse(stdout) as Interface[]).map((each) => ({
    ...each,
    addr_info: each.addr_info.filter(({ family }) => family === 'inet'),
  }))
}

/** What programs say when they fail, with the code and the advice that go with it. */
const explanations: readonly { words: RegExp; code: ErrorCode; hint: string }[] = [
  {
    words: /not permitted|permission denied/i,
    code: 'ERR_ETHERLOOM_PRIVILEGE',
    hint: 'this needs CAP_NET_ADMIN in the network namespace: run as root, or use a PasstPort, which needs no privilege',
  },
  {
    words: /read-only file system/i,
    code: 'ERR_ETHERLOOM_UNSUPPORTED',
    hint: 'let this container write /proc/sys/net, or switch net.ipv4.ip_forward on outside of it',
  },
  {
    words: /address already in use/i,
    code: 'ERR_ETHERLOOM_DEVICE',
    hint: "another DHCP or DNS server listens there; end it, or leave out 'dhcp' or 'dns'",
  },
  {
    words: /not supported|no such file|syntax error|interactive|conflicting protocols/i,
    code: 'ERR_ETHERLOOM_UNSUPPORTED',
    hint: 'it needs nft 1.0 and Linux 5.12 with NAT (modules nft_chain_nat and nft_masq)',
  },
]

/** An error from what a program said, of which the first line counts. */
function explained(message: string, said: string): EtherloomError {
  const lines = said.split('\n').filter((text) => !/^(forwarding|guarded .*)?$/.test(text.trim()))
  const line = lines[0] ?? 'its guardian was ended'
  const found = explanations.find(({ words }) => words.test(said))
  return new EtherloomError(found?.code ?? 'ERR_ETHERLOOM_DEVICE', `${message}: ${line.trim()}`, {
    hint: found?.hint,
  })
}
