/** What a topology file may say of a host. Called by schema.ts, and by what reads hosts. */
import { foreignRules, type ForeignPlace } from '../containers/foreign.js'
import { routeRules, type Route } from '../engine/namespace.js'
import { sysctlsRule } from '../engine/sysctls.js'
import { interfaceOptions } from '../ports/tap.js'
import { interfaceAddress, ipAddress } from '../values/addresses.js'
import { entryName } from '../values/names.js'
import {
  about,
  either,
  flag,
  list,
  mapping,
  oneOf,
  required,
  text,
  type Rules,
  type RulesOf,
} from '../values/options.js'

export interface DnsOptions {
  servers?: string[]
  search?: string[]
}

/** What a file says of a host's only interface. */
export interface HostInterface {
  addresses?: string[]
  mtu?: number
  mac?: string
}

/** What it says of the host itself. */
export interface HostSettings extends ForeignPlace {
  routes?: Route[]
  dns?: DnsOptions
  forwarding?: boolean | { ipv4?: boolean; ipv6?: boolean }
  ipv6?: boolean | { acceptRa?: boolean; dad?: boolean }
  sysctls?: Record<string, string | number>
}

/** When a program that has ended is started again; `on-failure`: when its exit code is not 0, or a signal ended it. */
export type RunRestart = 'no' | 'always' | 'on-failure'

/** A program. A command is a line for the shell, or a list of words. */
export interface RunEntry {
  command: string | string[]
  name?: string
  restart?: RunRestart
}

export type TopologyHost = HostInterface & HostSettings & { run?: string | (string | RunEntry)[] }

const interfaceRules = {
  addresses: about("Addresses of the host's interface, if it has exactly one.", list(interfaceAddress())),
  mtu: about("MTU of the host's interface, if it has exactly one.", interfaceOptions.mtu),
  mac: about("MAC address of the host's interface, if it has exactly one.", interfaceOptions.mac),
} satisfies RulesOf<HostInterface>

const domain = text({
  max: 253,
  pattern: /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?$/,
  expects: "a domain such as 'lab.example'",
})

const dnsRules = {
  servers: about('Addresses of name servers, of which programs ask the first three.', list(ipAddress())),
  search: about('Domains in which names without a dot are looked for.', list(domain)),
} satisfies RulesOf<DnsOptions>

const settingRules = {
  ...foreignRules,
  routes: about('Routes, beside those that follow from addresses.', list(mapping(routeRules))),
  dns: about('What programs in the host find in /etc/resolv.conf. Default: no server.', mapping(dnsRules)),
  forwarding: about(
    'Whether the host forwards packets between its interfaces, as a router. Default: as the kernel has it, which is mostly no.',
    either<unknown>('true, false or { ipv4: true, ipv6: false }', [
      flag(),
      mapping({
        ipv4: about('Whether it forwards IPv4.', flag()),
        ipv6: about('Whether it forwards IPv6.', flag()),
      }),
    ]),
  ),
  ipv6: about(
    'Whether the host has IPv6; with a mapping it has. Default: as the kernel has it, which is mostly yes.',
    either<unknown>('true, false or { acceptRa: true, dad: false }', [
      flag(),
      mapping({
        acceptRa: about(
          'Whether it takes addresses and routes that routers advertise. Default: unless it forwards.',
          flag(),
        ),
        dad: about(
          'Whether addresses wait until it is known that nobody else has them (duplicate address detection). Without, they are usable at once. Default true.',
          flag(),
        ),
      }),
    ]),
  ),
  sysctls: about(
    "Settings of the host's kernel stack, below net only: { net.ipv4.tcp_ecn: 1 }.",
    sysctlsRule,
  ),
} satisfies RulesOf<HostSettings>

const commandLine = text({
  max: 65_536,
  pattern: /^[^-\0][^\0]*$/,
  expects: 'a command, as a shell reads it, which begins with no hyphen',
})
const word = text({ max: 65_536, pattern: /^[^\0]*$/, expects: 'a word of a command' })

const runRules = {
  command: required(
    about(
      'What runs: a line for the shell, or a list of words.',
      either<unknown>('a command, or a list of its words', [commandLine, list(word, { min: 1 })]),
    ),
  ),
  name: about('Its name beside that of the host. Default: that of the program.', entryName()),
  restart: about(
    'Whether it is started again when it has ended; on-failure: when its exit code is not 0.',
    oneOf(['no', 'always', 'on-failure'], 'no'),
  ),
} satisfies RulesOf<RunEntry>

const run = about(
  'Programs that run in the host while the instance does: a command, or a list of commands, each a line for the shell or a mapping.',
  either<unknown>('a command, or a list of commands', [
    commandLine,
    list(either<unknown>('a command, or a mapping with one', [commandLine, mapping(runRules)]), { min: 1 }),
  ]),
)

/** The keys of a host. */
export const hostRules: Rules = { ...interfaceRules, ...settingRules, run }

/** The keys that are moved to the host's only port. */
export const interfaceKeys = Object.keys(interfaceRules) as (keyof HostInterface)[]
