/**
 * A way out for a fabric: the TAP's host forwards and translates (NAT) what comes from the TAP's subnet to one interface,
 * and may give out addresses and answer for names. Called by TapPort, on the main thread; what lasts is done by the
 * guardian (gateway-script.ts), which undoes it when it is asked to or when this process is gone.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { EtherloomError, type ErrorCode } from '../values/errors.js'
import { suggestion } from '../values/options.js'
import { unlessAborted } from '../values/signals.js'
import { gatewayScript } from './gateway-script.js'
import { Guardian } from './guardian.js'
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
  readonly #guardian: Guardian

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
   * @throws EtherloomError ERR_ETHERLOOM_PRIVILEGE, ERR_ETHERLOOM_UNSUPPORTED, ERR_ETHERLOOM_DEVICE; the signal's reason
   */
  static async open(
    settings: GatewaySettings,
    place: GatewayPlace,
    failed: (error: EtherloomError) => void,
    signal?: AbortSignal,
  ): Promise<Gateway> {
    const { tap, address, namespace } = place
    const dnsmasq = dnsmasqCommand(settings, place)
    const words = [tap, settings.interface, networkOf(parseSubnet(address)), ...dnsmasq]
    const guardian = new Guardian(gatewayScript, words, namespace)
    try {
      await unlessAborted(guardian.output.until(/^table ip /m), signal)
      guardian.tell('')
      await unlessAborted(
        guardian.voice.until(dnsmasq.length > 0 ? /started, version/ : /^forwarding$/m),
        signal,
      )
    } catch {
      await guardian.close()
      signal?.throwIfAborted()
      throw explained(`the gateway of '${tap}' cannot be set up`, guardian.said)
    }
    const end = guardian.stands(dnsmasq.length > 0)
    void end.then((reason) => {
      if (reason !== undefined) failed(explained(`the gateway of '${tap}' has ended`, reason))
    })
    return new Gateway(guardian)
  }

  private constructor(guardian: Guardian) {
    this.#guardian = guardian
  }

  /** Undoes everything; resolves when it is done. Idempotent. */
  close(): Promise<void> {
    return this.#guardian.close()
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
export const isOnlyUser = (): boolean =>
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
