/** Requests and replies of VDE, as bytes (protocol versions 1 and 3). */
import { expect } from 'chai'
import { endianness } from 'node:os'
import { readReply, readRequest, writeReply, writeRequest } from '../../lib/ports/vde-request.js'

/** Four bytes in the order of this machine. */
const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  if (endianness() === 'LE') bytes.writeUInt32LE(value)
  else bytes.writeUInt32BE(value)
  return bytes
}
/** An address as unix(7) has it: a family of two bytes, and 108 bytes for the path. */
const address = (path: string | Uint8Array, family = 1): Buffer => {
  const bytes = Buffer.alloc(110)
  if (endianness() === 'LE') bytes.writeUInt16LE(family)
  else bytes.writeUInt16BE(family)
  bytes.set(Buffer.from(path as string), 2)
  return bytes
}
const magic = word(0xfeedface)
const own = address('/run/vde.ctl/.00042-00001')
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()

describe('vde request', () => {
  it('is written in version 3: magic, version, type with the port above its lowest byte, address, description', () => {
    const socket = Buffer.from('/run/vde.ctl/.00042-00001')
    const request = (port?: number) => Buffer.from(writeRequest({ port, socket, description: 'me' }))
    for (const [port, type] of [
      [undefined, 0],
      [5, 0x500],
      [0xffffff, 0xffffff00],
      [0, 1],
    ] as const)
      expect(request(port)).to.deep.equal(Buffer.concat([magic, word(3), word(type), own, Buffer.from('me')]))
    expect(writeRequest({ port: 1, socket, description: 'é'.repeat(200) })).to.have.length(122 + 128)
  })

  it('is read in versions 3 and 1', () => {
    const [three, one] = [
      Buffer.concat([magic, word(3), word(0x700), own, Buffer.from('QEMU user=me\n PID=1')]),
      Buffer.concat([magic, word(0), Buffer.alloc(6, 0xff), own, Buffer.from('old one')]),
    ]
    const found = [three, one].map((bytes) => readRequest(bytes)!)
    expect(found.map(({ port, description }) => [port, description])).to.deep.equal([
      [7, 'QEMU user=me  PID=1'],
      [undefined, 'old one'],
    ])
    for (const { socket } of found) expect(text(socket)).to.equal('/run/vde.ctl/.00042-00001')
    const management = Buffer.concat([magic, word(3), word(1), own])
    expect(readRequest(management)).to.deep.include({ port: 0, description: '' })
    expect(readRequest(Buffer.concat([magic, word(1), Buffer.alloc(6), own]))!.port).to.equal(0)
  })

  it('is waited for while a part of it is missing', () => {
    const whole = Buffer.concat([magic, word(3), word(0), own])
    for (let length = 0; length < whole.length; length++)
      expect(readRequest(whole.subarray(0, length)), `${length} bytes`).to.equal(undefined)
    expect(readRequest(whole)).to.not.equal(undefined)
  })

  it('keeps a name outside the file system whole, as user-mode-linux has it', () => {
    const name = Buffer.concat([Buffer.from([0]), word(4711), word(99), Buffer.alloc(99)])
    const request = readRequest(Buffer.concat([magic, word(3), word(0), address(name)]))!
    expect(Buffer.from(request.socket)).to.deep.equal(name)
  })

  it('is refused in a sentence where it is none', () => {
    const refused: [Buffer, string][] = [
      [word(0xfeedfacf), 'this is no request for a port of a VDE switch'],
      [Buffer.from('GET / HTTP/1.1\r\n'), 'this is no request for a port of a VDE switch'],
      [Buffer.concat([magic, word(2)]), 'a request of version 2 is not known here'],
      [Buffer.concat([magic, word(4)]), 'a request of version 4 is not known here'],
      [Buffer.concat([magic, word(3), word(2), own]), 'a request for a thing of type 2 is not known here'],
      [Buffer.concat([magic, word(3), word(0), address('')]), 'it names no socket of its own'],
      [
        Buffer.concat([magic, word(3), word(0), address('/a', 2)]),
        'it names a socket of the family 2, not a Unix one',
      ],
      [
        Buffer.concat([magic, word(3), word(0), address('/'.repeat(108))]),
        'it names a socket by a path longer than 107 bytes',
      ],
      [
        Buffer.concat([magic, word(3), word(0), address('run/\u001b[2J')]),
        "it names a socket by 'run/\\u001b[2J', which is not a whole path",
      ],
    ]
    for (const [bytes, why] of refused) expect(() => readRequest(bytes), why).to.throw(why)
  })

  it('is answered by an address and nothing else', () => {
    const reply = writeReply('/run/vde.ctl/001.9')
    expect(Buffer.from(reply)).to.deep.equal(address('/run/vde.ctl/001.9'))
    expect(text(readReply(reply))).to.equal('/run/vde.ctl/001.9')
    expect(readReply(reply.subarray(0, 109))).to.equal(undefined)
  })
})
