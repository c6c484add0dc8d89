/** What messages quote of files: nothing that a terminal would act on, and no more than a line. */
import { expect } from 'chai'
import { EtherloomError, parseTopology } from '../../lib/index.js'
import { shorten, visible } from '../../lib/values/quote.js'

const between = (first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, index) => String.fromCharCode(first + index))

const controls = [...between(0, 0x1f), ...between(0x7f, 0x9f), '\u2028', '\u2029', '\u202e', '\u2066']
const hostile = [...controls, '\x1b[31mred', '\x1b]0;title\x07', 'two\nlines', 'long'.repeat(25_000)]

/** Files with a mistake where something is written in; `quoted`: as JSON and YAML write it, else as it is. */
const files: Record<string, (quoted: string, bare: string) => string> = {
  'an unknown key': (word) => `{ ${word}: 1 }`,
  'an unknown key below': (word) => `{ fabrics: { a: { kind: hub, ${word}: 1 } } }`,
  'the name of a fabric': (word) => `{ fabrics: { ${word}: { kind: hub } } }`,
  'the name of a port': (word) => `{ fabrics: { a: { kind: hub, ports: { ${word}: { patch: b.x } } } } }`,
  'the name of a host': (word) => `{ hosts: { ${word}: }, fabrics: {} }`,
  'a kind': (word) => `{ fabrics: { a: { kind: ${word} } } }`,
  'a duration': (word) => `{ fabrics: { a: { kind: hub, paths: [{ from: x, to: y, delay: ${word} }] } } }`,
  'the name of an end': (word) =>
    `{ fabrics: { a: { kind: hub, paths: [{ from: ${word}, to: ${word} }] } } }`,
  'a netem command': (word) =>
    `{ fabrics: { a: { kind: hub, paths: [{ from: x, to: y, netem: ${word} }] } } }`,
  'a filter': (word) => `{ fabrics: { a: { kind: hub, paths: [{ from: x, to: y, filter: ${word} }] } } }`,
  'a trace': (word) => `{ fabrics: { a: { kind: hub, paths: [{ from: x, to: y, trace: ${word} }] } } }`,
  'a patch': (word) => `{ fabrics: { a: { kind: hub, ports: { x: { patch: ${word} } } } } }`,
  'an address': (word) => `{ fabrics: { a: { kind: hub, ports: { x: { udp: ${word} } } } } }`,
  'the host of a port': (word) =>
    `{ fabrics: { a: { kind: hub, ports: { x: { host: h, addresses: [${word}] } } } } }`,
  'a world': (word) => `{ fabrics: {}, worlds: { ${word}: { fabric: ${word}, model: ${word} } } }`,
  'a movement': (word) => `{ fabrics: {}, worlds: { w: { fabric: a, movement: { ${word}: ${word} } } } }`,
  'a timeline': (word) => `{ fabrics: { a: { kind: hub, timeline: [{ at: ${word}, ${word}: 1 }] } } }`,
  'a document of one word': (word) => word,
  'bare text': (_, bare) => bare,
  'a bare key': (_, bare) => `a: 1\n${bare}: b: c`,
  'a tag': (_, bare) => `fabrics: !!${bare} x`,
  'an alias': (_, bare) => `fabrics: *${bare}`,
  'a directive': (_, bare) => `%${bare}\n---\nfabrics: 1`,
  'a quote without an end': (_, bare) => `fabrics: "${bare}`,
}

describe('Messages', () => {
  for (const [place, write] of Object.entries(files))
    it(`stay on a line, and act on no terminal, whatever is ${place}`, async () => {
      let refused = 0
      for (const word of hostile) {
        const given = shorten(JSON.stringify(word), 40)
        const text = write(JSON.stringify(word), word)
        const error = await parseTopology(text, 'lab.yaml').then(
          () => undefined, // then it is quoted nowhere
          (error: unknown) => error,
        )
        if (error === undefined) continue
        refused++
        expect(error, given).to.be.an.instanceOf(EtherloomError)
        for (const line of (error as EtherloomError).message.split('\n')) {
          expect(line, given).to.match(/^lab\.yaml:\d+:\d+: |^\d+ more mistakes are not shown$/)
          expect(visible(line), given).to.equal(line)
          expect(line.length, given).to.be.below(700)
        }
      }
      expect(refused).to.be.above(0)
    })

  it('say so of what is no text, once', async () => {
    const error = await parseTopology('fabrics: {}\nab\u0000\u0001 : :', 'ls').catch(
      (error: unknown) => error,
    )
    const message = "ls:2:3: no text: the character '\\u0000' cannot stand in such a file"
    expect(error).to.have.property('message', message)
  })

  it('of many mistakes are the first', async () => {
    const error = await parseTopology('x: : :\n'.repeat(1000), 'x').catch((error: unknown) => error)
    expect((error as Error).message.split('\n')).to.have.length(51)
  })
})
