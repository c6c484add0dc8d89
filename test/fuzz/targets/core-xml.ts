/** CORE files: node places and links. */
import { readFileSync, readdirSync } from 'node:fs'
import { readCoreTopology } from '../../../lib/world/movements/core-file.js'
import { insists, refusedOr, type Target } from '../target.js'

const folder = 'examples/miniworld/topologies'

export const target: Target = {
  words: [
    '<device id="1" name="n1">',
    '<position x="1" y="2"/>',
    '<link node1="1" node2="2"/>',
    '<network id="9">',
    '</',
    '/>',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '&#x41;',
    '&#0;',
    '&#x110000;',
    '&amp;',
    '<!DOCTYPE a [',
    'lat="1"',
    'lon="2"',
    'id="4294967296"',
    "'",
    '"',
    '<?',
    '?>',
    'xmlns:a="b"',
    'a:device',
  ],
  seeds: [
    ...readdirSync(folder)
      .filter((file) => file.endsWith('.xml'))
      .slice(0, 4)
      .map((file) => readFileSync(`${folder}/${file}`)),
    '<scenario><devices><device id="1"><position x="1" y="1"/></device><device id="2"/></devices><links><link node_one="1" node_two="2"/></links></scenario>',
  ],
  async read(input) {
    const text = input.toString()
    for (const links of [true, false]) {
      const read = await refusedOr(
        text,
        () => readCoreTopology(text, 'core.xml', { links }),
        /TOPOLOGY|OPTION/,
      )
      if (!read) continue
      insists(read.places.length <= read.names.length, 'more places than names')
      for (const place of read.places)
        insists(place === undefined || Object.values(place).every(Number.isFinite), 'a place that is nowhere')
    }
  },
}
