/**
 * Which ports of a network a user means: `red`, or `core.red` with its fabric, as they are printed.
 * Called by Network wherever ports are named.
 */
import { EtherloomError } from '../values/errors.js'
import type { Fabric } from '../fabrics/fabric.js'
import { anyText, listed, required, suggestion } from '../values/options.js'
import { quote } from '../values/quote.js'

/** Ports that are on one fabric. */
export interface Ends {
  fabric: Fabric
  /** Their names there, in the order in which they were asked for. */
  ports: string[]
}

/** @throws EtherloomError ERR_ETHERLOOM_NAME */
export function fabricNamed(fabrics: ReadonlyMap<string, Fabric>, name: string): Fabric {
  const fabric = fabrics.get(name)
  if (fabric) return fabric
  throw unknown('no fabric', name, [...fabrics.keys()], 'fabrics')
}

/**
 * The fabric that all these ports are on. Where they are on several together, one of them must be named with its
 * fabric, or `only` names the fabric.
 *
 * @throws EtherloomError ERR_ETHERLOOM_NAME
 */
export function findEnds(
  fabrics: ReadonlyMap<string, Fabric>,
  words: readonly string[],
  only?: string,
): Ends {
  for (const word of words) required(anyText)(word, 'the name of a port')
  anyText(only, 'the name of a fabric')
  const all = [...fabrics.values()]
  const searched = only === undefined ? all : [fabricNamed(fabrics, only)]
  const found = searched.flatMap((fabric): Ends[] => {
    const ports = words.map((word) => portIn(fabric, word))
    return ports.every((port) => port !== undefined) ? [{ fabric, ports }] : []
  })
  const [first, ...others] = found
  if (first && others.length === 0) return first
  const quoted = words.map((word) => quote(word)).join(' and ')
  const are = words.length > 1 ? 'are' : 'is'
  if (first) {
    const ways = found.map(({ fabric, ports }) => `${fabric.name}.${ports[0]}`)
    throw new EtherloomError('ERR_ETHERLOOM_NAME', `${quoted} ${are} on several fabrics`, {
      hint: `write ${ways.join(' or ')}, or choose the fabric, as with --fabric ${first.fabric.name}`,
    })
  }
  const missing = words.find((word) => !searched.some((fabric) => portIn(fabric, word) !== undefined))
  if (missing === undefined) throw notTogether(all, words, quoted)
  const names = searched.flatMap(({ name, ports }) =>
    [...ports.keys()].map((port) => (missing.includes('.') ? `${name}.${port}` : port)),
  )
  const owner = only === undefined ? 'no' : `fabric ${quote(only)} has no`
  throw unknown(`${owner} port`, missing, names, 'ports')
}

/** The error of a name: with the nearest, or else with what there is. */
function unknown(none: string, name: string, names: readonly string[], what: string): EtherloomError {
  const near = suggestion(name, names)
  const all = [...new Set(names)]
  return new EtherloomError('ERR_ETHERLOOM_NAME', `${none} ${quote(name)}${near}`, {
    hint: near === '' && all.length > 0 ? listed(what, all) : undefined,
  })
}

/** The name that a word has in a fabric, or undefined when it means none of its ports. */
function portIn({ name, ports }: Fabric, word: string): string | undefined {
  if (ports.has(word)) return word
  const [prefix, port] = [`${name}.`, word.slice(name.length + 1)]
  return word.startsWith(prefix) && ports.has(port) ? port : undefined
}

function notTogether(fabrics: Fabric[], words: readonly string[], quoted: string): EtherloomError {
  const places = words.map((word) => {
    const on = fabrics.filter((fabric) => portIn(fabric, word) !== undefined)
    return `${quote(word)} is on ${on.map(({ name }) => name).join(' and ')}`
  })
  return new EtherloomError('ERR_ETHERLOOM_NAME', `${quoted} are not on one fabric: ${places.join(', ')}`)
}
