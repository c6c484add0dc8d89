/** Tables of delays: tc's own, value by value, and those that users bring. */
import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { delayTable, listedDelayTable, parseDelayTable } from '../../lib/policy/lines/delay-tables.js'
import type { SharedData } from '../../lib/policy/shared-data.js'
import { refusal } from '../helpers/errors.js'

const valuesOf = ({ bytes }: SharedData): number[] => [
  ...new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2),
]

async function refused(call: () => unknown, message: string): Promise<void> {
  const error = await refusal(call)
  expect(error.code).to.equal('ERR_ETHERLOOM_OPTION')
  expect(error.message).to.contain(message)
}

describe('delay tables', () => {
  describe('of tc', () => {
    // In units of sigma; and all 4096 values, as a program that scans x in steps of 0.00005 found them.
    const expected = {
      normal: {
        digest: 'c59486ef7d9f475392acb0a04686483a237f45e57bd34c4d00302b60fb1370fd',
        figures: [-0.0008, 1.0, -4.0, 0.0, 1.281, 2.327, 3.523],
      },
      pareto: {
        digest: '7b6250dae83ed8134b5192e992c488a542531c03118e79726d8726d169065dd1',
        figures: [-0.0335, 0.82, -0.667, -0.32, 0.872, 4.0, 4.0],
      },
      paretonormal: {
        digest: '6b6ec6bcf481be2a4c8a189dad1bf6461272ad9e6ac81a60072b54c8aaf6a3d6',
        figures: [-0.0253, 0.834, -1.502, -0.24, 0.974, 3.582, 3.88],
      },
    }

    for (const [name, { digest, figures }] of Object.entries(expected))
      it(`${name}: mean, deviation, least, median, 90 %, 99 %, most, and every value`, () => {
        const values = valuesOf(delayTable(name as keyof typeof expected))
        expect(values).to.have.lengthOf(4096)
        const sorted = values.toSorted((a, b) => a - b)
        const quantile = (q: number): number => (sorted[Math.floor(q * 4096)] ?? NaN) / 8192
        const mean = values.reduce((sum, value) => sum + value / 8192, 0) / 4096
        const variance = values.reduce((sum, value) => sum + (value / 8192 - mean) ** 2, 0) / 4096
        const measured = [
          mean,
          Math.sqrt(variance),
          quantile(0),
          quantile(0.5),
          quantile(0.9),
          quantile(0.99),
          quantile(4095 / 4096),
        ]
        measured.forEach((value, index) => expect(value).to.be.closeTo(figures[index] ?? NaN, 0.0005))
        expect(createHash('sha256').update(values.join(' ')).digest('hex')).to.equal(digest)
      })

    it('are made once', () => {
      expect(delayTable('normal')).to.equal(delayTable('normal'))
    })
  })

  describe('of users', () => {
    const parse = (text: string): number[] => valuesOf(parseDelayTable(text, 'table'))

    it('are read as iproute2 writes them', () => {
      expect(parse('# a comment\n-32768 -5\t0\n\n   +7 8192 # another\r\n32767')).to.deep.equal([
        -32768, -5, 0, 7, 8192, 32767,
      ])
    })

    it('have from 1 to 16384 values', async () => {
      expect(parse('5')).to.deep.equal([5])
      expect(parse('1 '.repeat(16_384))).to.have.lengthOf(16_384)
      for (const [text, count] of [
        ['', 0],
        ['# nothing\n\n', 0],
        ['1 '.repeat(16_385), 16_385],
      ] as const)
        await refused(
          () => parse(text),
          `the number of values in table must be from 1 to 16384, not ${count}`,
        )
    })

    it('are refused with the line that is wrong', async () => {
      for (const word of ['x', '1.5', '0x10', '1e3', '32768', '-32769', '--1', '99999999999999999999', '1,2'])
        await refused(
          () => parse(`# head\n1 2\n3 ${word} 5\n`),
          `line 3 of table must be whole numbers from -32768 to 32767 (8192 is one sigma), not '${word}'`,
        )
    })

    it('are the same data where they are the same numbers', () => {
      expect(parseDelayTable('1 2', 'a').key).to.equal(listedDelayTable([1, 2], 'b').key)
      expect(parseDelayTable('1 2', 'a').key).to.not.equal(parseDelayTable('2 1', 'a').key)
    })

    it('in a list are refused with the entry that is wrong', async () => {
      for (const wrong of [1.5, NaN, 32768, -32769, '1', null, undefined])
        await refused(
          () => listedDelayTable([1, wrong], 'table'),
          'entry 2 of table must be whole numbers from -32768 to 32767',
        )
      await refused(() => listedDelayTable('1 2', 'table'), 'table must be a list of whole numbers')
      await refused(() => listedDelayTable([], 'table'), 'the number of values in table must be from 1')
    })
  })
})
