/** Batches: frames out of one block of records. */
import { expect } from 'chai'
import { EtherloomError } from '../../lib/index.js'
import { Batch } from '../../lib/ports/batch.js'

/** Records as the ring holds them: port, length, time, and the bytes, at multiples of 16. */
function block(frames: { at: bigint; bytes: number[] }[]): Uint8Array {
  const size = ({ bytes }: { bytes: number[] }) => (16 + bytes.length + 15) & ~15
  const records = new Uint8Array(frames.reduce((total, frame) => total + size(frame), 0))
  const view = new DataView(records.buffer)
  let offset = 0
  for (const frame of frames) {
    view.setUint32(offset, 3, true)
    view.setUint32(offset + 4, frame.bytes.length, true)
    view.setBigInt64(offset + 8, frame.at, true)
    records.set(frame.bytes, offset + 16)
    offset += size(frame)
  }
  return records
}

describe('Batch', () => {
  const frames = [
    { at: 5n, bytes: [] },
    { at: 6n, bytes: [1] },
    { at: 1n << 62n, bytes: Array.from({ length: 16 }, (_, index) => index) },
    { at: 8n, bytes: Array.from({ length: 1518 }, (_, index) => index & 0xff) },
  ]
  const batch = new Batch(block(frames), frames.length)

  it('has a length, frames in order, and their times', () => {
    expect(batch.length).to.equal(4)
    expect(Array.from(batch, (bytes) => [...bytes])).to.deep.equal(frames.map(({ bytes }) => bytes))
    for (const [index, { at, bytes }] of frames.entries()) {
      expect(batch.at(index)).to.equal(at)
      expect([...batch.frame(index)]).to.deep.equal(bytes)
    }
  })

  it('can be iterated over again and again', () => {
    expect([...batch]).to.deep.equal([...batch])
  })

  it('refuses frames that are not in it', () => {
    for (const index of [-1, 4, 1.5, NaN]) {
      expect(() => batch.frame(index)).to.throw(EtherloomError, `from 0 to 3, not ${index}`)
      expect(() => batch.at(index)).to.throw(EtherloomError)
    }
  })

  it('may be empty', () => {
    expect([...new Batch(new Uint8Array(0), 0)]).to.deep.equal([])
  })
})
