/**
 * A way out for a fabric: the TAP's host forwards and translates (NAT) what comes from the TAP's subnet to one interface,
 * and may give out addresses and answer for names. Called by TapPort, on the main thread; what lasts is done by the
 * guardian (guardian.ts), which undoes it when it is asked to or when this process is gone.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { EtherloomError, type ErrorCode } from '../errors.js'
import { suggestion } from '../options.js'
import { guardianScript } from './guardian.js'
import type { GatewaySettings } from './options.js'
import { requirePrograms, searchPath } from './programs.js'
import { freeRange, maskOf, networkOf, overlap, parseSubnet, toText } from './subnet.js'

/** What a gateway is for: the TAP, its IPv4 address as `10.0.77.1/24`, and where it is. */
export interface GatewayPlace {
  tap: string
  address: string
  /** The path of the network namespace; undefined for this process's. */
  namespace: string | undefined
}

export class Gateway {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #listing: Voice
  readonly #voice: Voice
  #complaints = ''
  #stands = false
  #closing = false

  /**
   * Checks everything that can be checked while nothing has been touched.
   *
   * @throws EtherloomError ERR_ETHERLOOM_UNSUPPORTED for a program that is missing; ERR_ETHERLOOM_NAME for an interface
   *   that does not exist; ERR_ETHERLOOM_DEVICE for one without an IPv4 address; ERR_ETHERLOOM_OPTION for a subnet that
   *   is in use
   */
  static async check(settings: GatewaySettings, { tap, address, namespace }: GatewayPlace): Promise<void> {
    const { dhcp, dns } = settings
    const purpose = `the gateway of '${tap}'`
    await requirePrograms(purpose, ['ip', 'nft', 'flock', 'nsenter'])
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
  }

  /**
   * Sets it up. The TAP must be there. When it fails, everything is as it was before.
   *
   * @param failed is called when the gateway ends without being closed; it has been undone then
   * @throws EtherloomError ERR_ETHERLOOM_PRIVILEGE, ERR_ETHERLOOM_UNSUPPORTED, ERR_ETHERLOOM_DEVICE
   */
  static async open(
    settings: GatewaySettings,
    place: GatewayPlace,
    failed: (error: EtherloomError) => void,
  ): Promise<Gateway> {
    const dnsmasq = dnsmasqCommand(settings, place)
    const gateway = new Gateway([settings.interface, ...dnsmasq], place)
    try {
      await gateway.#stand(dnsmasq.length > 0)
    } catch (error) {
      await gateway.close()
      const reason = gateway.#complaints || (error as Error).message
      throw explained(`the gateway of '${place.tap}' cannot be set up`, reason)
    }
    void gateway.#watch(dnsmasq.length > 0).then((reason) => {
      if (reason !== undefined) failed(explained(`the gateway of '${place.tap}' has ended`, reason))
    })
    return gateway
  }

  private constructor([outside = '', ...dnsmasq]: string[], { tap, address, namespace }: GatewayPlace) {
    const words = ['guardian', tap, outside, networkOf(parseSubnet(address)), ...dnsmasq]
    const enter = namespace === undefined ? [] : ['nsenter', `--net=${namespace}`, '--']
    const [program = '', ...rest] = [...enter, 'sh', '-c', guardianScript, ...words]
    const child = spawn(program, rest, {
      cwd: '/',
      env: { ...process.env, PATH: searchPath(), LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
    })
    this.#child = child
    this.#ended = new Promise((resolve) => child.once('close', resolve))
    this.#listing = new Voice(child.stdout)
    this.#voice = new Voice(child.stdio[3] as Readable)
    child.once('error', (error) => (this.#complaints += error.message))
    child.stdin.on('error', () => undefined) // it has ended first, which is noticed anyway
    child.stderr.on('data', (text: Buffer) => {
      this.#complaints += text.toString()
      if (!this.#stands) child.stdin.end()
    })
  }

  /** Undoes everything; resolves when it is done. Idempotent. */
  async close(): Promise<void> {
    this.#closing = true
    for (const handle of this.#handles()) handle.ref()
    this.#child.stdin?.end()
    await this.#ended
  }

  /** Resolves when it is in force. */
  async #stand(withDnsmasq: boolean): Promise<void> {
    await this.#listing.until(/^table ip /m)
    this.#child.stdin?.write('\n')
    await this.#voice.until(withDnsmasq ? /started, version/ : /^forwarding$/m)
    this.#stands = true
    for (const handle of this.#handles()) handle.unref()
  }

  /** Resolves when it is no longer in force, with the reason unless it was closed. */
  async #watch(withDnsmasq: boolean): Promise<string | undefined> {
    await Promise.race([this.#ended, ...(withDnsmasq ? [this.#voice.ended] : [])])
    if (this.#closing) return undefined
    await this.close()
    return this.#complaints || this.#voice.text
  }

  #handles(): { ref(): void; unref(): void }[] {
    return [this.#child, ...(this.#child.stdio.filter((stream) => stream !== null) as Socket[])]
  }
}

/** What a stream has said: its last 4096 characters. */
class Voice {
  text = ''
  readonly ended: Promise<unknown>
  #heard: () => void = () => undefined

  constructor(stream: Readable) {
    stream.on('data', (text: Buffer) => {
      this.text = `${this.text}${text.toString()}`.slice(-4096)
      this.#heard()
    })
    this.ended = new Promise((resolve) => stream.once('close', resolve))
  }

  /** Resolves when it has said something like `pattern`. @throws Error with what it said instead, when it has ended */
  async until(pattern: RegExp): Promise<void> {
    const heard = new Promise<void>((resolve) => {
      this.#heard = () => {
        if (pattern.test(this.text)) resolve()
      }
      this.#heard()
    })
    await Promise.race([heard, this.ended])
    if (!pattern.test(this.text)) throw new Error(this.text)
  }
}

/** dnsmasq's command line; empty when it is not needed. It reads no configuration and writes no file. */
function dnsmasqCommand({ dhcp, dns }: GatewaySettings, { tap, address }: GatewayPlace): string[] {
  if (dhcp === false && dns === false) return []
  return [
    'dnsmasq',
    ...['--conf-file=/dev/null', '--keep-in-foreground', '--pid-file=', '--log-facility=-'],
    ...(isOnlyUser() ? ['--user=', '--group='] : []),
    ...[`--interface=${tap}`, '--except-interface=lo', '--bind-interfaces'],
    ...(dhcp === false ? [] : dhcpWords(dhcp, address)),
    ...(dns === false ? ['--port=0'] : []),
    ...(Array.isArray(dns) ? ['--no-resolv', ...dns.map((server) => `--server=${server}`)] : []),
  ]
}

/** Whether this user namespace knows no other user, so that dnsmasq cannot become one, as it does by itself. */
const isOnlyUser = (): boolean =>
  /^\s*0\s+\d+\s+1$/.test(readFileSync('/proc/self/uid_map', 'utf8').trimEnd())

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
  const lines = said.split('\n').filter((text) => !/^(forwarding)?$/.test(text.trim()))
  const line = lines[0] ?? 'its guardian was ended'
  const found = explanations.find(({ words }) => words.test(said))
  return new EtherloomError(found?.code ?? 'ERR_ETHERLOOM_DEVICE', `${message}: ${line.trim()}`, {
    hint: found?.hint,
  })
}
