/**
 * Settings of a kernel's network stack, as sysctl(8) names them: `net.ipv4.ip_forward`. Read by Namespace and by topology
 * files, which have no others than those below `net`: only these belong to a network namespace.
 */
import { readdirSync } from 'node:fs'
import { about, into, record, single, suggestion, text, type Rule } from '../values/options.js'

const expects = "the name of a setting below net, such as 'net.ipv4.ip_forward'"

/**
 * The first of dots and slashes divides the parts, so that `net/ipv4/conf/eth0.1/rp_filter` can name an interface with a
 * dot. No part is empty, `.` or `..`: no name leads out of net.
 */
const pattern = /^net(?:(?:\.[A-Za-z0-9_:@+-]+)+|(?:\/(?!\.{1,2}(?:\/|$))[^\s\0/]+)+)$/

const sysctlName = about('Name of the setting.', text({ max: 200, pattern, expects }))

const sysctlValue = single(
  'a whole number, or text of at most 1000 characters on one line',
  { type: ['integer', 'string'] },
  (value) =>
    Number.isSafeInteger(value) || (typeof value === 'string' && /^[^\p{Cc}]{1,1000}$/u.test(value))
      ? `${value as string | number}`
      : undefined,
)

/** A rule for settings by their names, whose values become text. */
export const sysctlsRule: Rule<Record<string, string | number> | undefined> = record(
  sysctlName,
  into(sysctlValue, (value) => value as string | number),
)

/** Where a setting is below /proc/sys. */
export const pathOf = (name: string): string =>
  /[./]/.exec(name)?.[0] === '.' ? name.replaceAll('.', '/') : name

/** The name of a setting as all its spellings are written in plans: with dots, unless a part has one. */
export function sameSysctl(name: string): string {
  const parts = pathOf(name).split('/')
  const dotted = parts.join('.')
  return parts.some((part) => part.includes('.')) || !pattern.test(dotted) ? parts.join('/') : dotted
}

/** Its value likewise: a whole number is one, also where it is written as text. */
export const sameValue = (value: string | number): string | number =>
  typeof value === 'string' && /^(?:0|-?[1-9]\d{0,14})$/.test(value) ? Number(value) : value

/** Whether a setting is one interface's alone, and so only there when that is. */
export const isOfInterface = (name: string): boolean =>
  /^net\/[^/]+\/(?:conf|neigh)\/(?!(?:all|default)\/)/.test(pathOf(name))

/** `; did you mean 'net.ipv4.ip_forward'?` where this machine has a setting of nearly that name, else nothing. */
export function nearestSysctl(name: string): string {
  const parts = pathOf(name).split('/')
  for (const [index, part] of parts.entries()) {
    const before = parts.slice(0, index).map(generalOf)
    const known = entriesOf(['/proc/sys', ...before].join('/'))
    if (known.includes(generalOf(part, index, parts))) continue
    const [, near] = /'(.*)'/.exec(suggestion(part, known)) ?? []
    if (near === undefined) return ''
    return `; did you mean '${[...parts.slice(0, index), near, ...parts.slice(index + 1)].join('.')}'?`
  }
  return ''
}

/** An interface has the settings that `default` has. */
const generalOf = (part: string, index: number, parts: readonly string[]): string =>
  index === 3 && ['conf', 'neigh'].includes(parts[2] ?? '') ? 'default' : part

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
