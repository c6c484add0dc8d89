/** Interfaces by number, which the nodes of worlds get as they need them: names by patterns, and what each is given. */
import { interfaceAddress, interfaceMac } from '../values/addresses.js'
import { about, list, text, type Rule } from '../values/options.js'

/** What a node's interfaces are made with: lists have an entry for each, in the order of their numbers. */
export interface InterfaceSeries {
  addresses?: string[]
  macs?: string[]
  mtu?: number
  owner?: number
  persist?: boolean
}

/** The rules for its lists. */
export const seriesRules = {
  addresses: about(
    'One for each interface, in the order of their numbers; further ones have none.',
    list(interfaceAddress()),
  ),
  macs: about(
    'One for each interface, in the order of their numbers; further ones get any.',
    list(interfaceMac()),
  ),
}

/** The rule for the pattern of a name. */
export const patternRule = (description: string): Rule<string | undefined> =>
  about(
    description,
    text({
      pattern: /^[^\s/:%]{0,13}%[dxi][^\s/:%]{0,13}$/,
      expects: "the name of an interface with '%d', '%x' or '%i' in it, such as 'tap_00001_%d'",
    }),
  )

/** A name of a number from 1: `%d` becomes the number, `%x` the same in hexadecimal, `%i` one less. */
export function fill(pattern: string, number: number): string {
  const words: Record<string, string> = {
    '%d': `${number}`,
    '%x': number.toString(16),
    '%i': `${number - 1}`,
  }
  return pattern.replace(/%[dxi]/g, (word) => words[word] ?? word)
}

/** The interface of a number; further ones than there are entries for have no addresses, and any MAC address. */
export function numberedInterface({ addresses = [], macs = [], ...rest }: InterfaceSeries, number: number) {
  const mac = macs[number - 1]
  return { ...rest, addresses: addresses.slice(number - 1, number), ...(mac !== undefined && { mac }) }
}
