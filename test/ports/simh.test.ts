/** SIMH, which simulates old machines: its network card is on a TAP of ours, by libpcap. It hears what we send, and answers. */
import { expect } from 'chai'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { Hub, TapPort } from '../../lib/index.js'
import { buildFrame, parseFrame } from '../../lib/testing/frames.js'
import { closing, join, take } from '../helpers/fabric.js'
import { describeOnDevices, eventually, lacksProgram } from '../helpers/kernel.js'
import { Host } from '../helpers/network.js'

/**
 * A PDP-11 with a DELQA, a network card of 1986, and a program that switches on the card's receiver: it writes 401 to the control
 * register at 174456, and stays where it is. All numbers are octal.
 */
const machine = `
attach xq tap0
deposit 1000 012737
deposit 1002 000401
deposit 1004 174456
deposit 1006 000777
go 1000
`

describeOnDevices('SIMH', function () {
  this.timeout(60_000)
  const close = closing()
  const lacking = lacksProgram('pdp11', 'script')

  ;(lacking === undefined ? it : it.skip)(
    `a simulated network card answers who asks it what it is${lacking === undefined ? '' : ` (skipped: ${lacking})`}`,
    async () => {
      const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-simh-'))
      close({ close: () => rmSync(folder, { recursive: true }) })
      const file = joinPath(folder, 'machine.ini')
      writeFileSync(file, machine)
      const host = close(await Host.create(1))
      const hub = close(new Hub())
      await hub.attach(new TapPort({ name: 'tap0', namespace: host.namespace }))
      const [reader] = await join(hub, 'reader')
      host.start('script', '--quiet', '--command', `exec pdp11 ${file}`, '/dev/null') // it wants a terminal

      // The maintenance protocol of DECnet (MOP): a request for an identification, with a number to be repeated. The card itself
      // knows it, so no operating system is needed.
      const [us, card] = ['02:00:00:00:00:01', '08:00:2b:aa:bb:cc']
      const number = 0x1234
      const request = buildFrame({
        ethernet: { from: us, to: card, type: 0x6002 },
        payload: Uint8Array.of(4, 0, 5, 0, number & 0xff, number >> 8),
      })
      const answer = await eventually('it answers', () => {
        reader.send(request)
        return take(reader)
          .map(({ bytes }) => parseFrame(bytes))
          .find(({ ethernet }) => ethernet.to === us && ethernet.type === 0x6002)
      })
      expect(answer.ethernet.from).to.equal(card)
      const words = Buffer.from(answer.payload)
      expect([words[2], words.readUInt16LE(4)], 'an identification, and the number').to.deep.equal([
        7,
        number,
      ])
      expect(words.includes(Buffer.from('08002baabbcc', 'hex')), 'its address is in it').to.be.true
    },
  )
})
