/** What is used up: descriptors, the disk that a capture is written to. Who needs it is told; nobody else loses anything. */
import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Hub } from '../../lib/index.js'
import { closing, join, receive } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'
import {
  describeUnless,
  lacksNetwork,
  lacksProgram,
  lacksWithSanitizer,
  testFile,
} from '../helpers/kernel.js'

const sanitized = lacksWithSanitizer('the sanitizer needs descriptors to look at an object')

describeUnless(
  lacksNetwork() ?? lacksProgram('prlimit') ?? sanitized,
  'where descriptors are used up',
  function () {
    this.timeout(120_000)

    for (const kind of ['tap', 'packet', 'connect', 'listen', 'datagram', 'udp']) {
      it(`a port (${kind}) says so, leaks none, harms no other, and can be had once one is free`, async () => {
        const words = ['--nofile=100:100', process.execPath, '--import=tsx']
        const { stdout } = await promisify(execFile)('prlimit', [
          ...words,
          testFile('ports/programs/shortage.ts'),
          kind,
        ])
        const { attached, message, ...rest } = JSON.parse(stdout) as { attached: number; message: string }
        expect(rest).to.deep.equal({ code: 'ERR_ETHERLOOM_RESOURCE', leaked: 0, others: true, again: true })
        expect(message).to.match(/\(EMFILE\); allow more open files with 'ulimit -n'$/)
        expect(attached).to.be.above(5)
      })
    }
  },
)

describe('where the disk of a capture is full', () => {
  const closes = closing()

  it('the capture fails and says so; frames go on', async () => {
    const hub = closes(new Hub())
    const [a, b] = await join(hub, 'a', 'b')
    const capture = await a.capture('/dev/full')
    a.send(numbered(100))
    const error = await capture.ended
    expect(error?.code).to.equal('ERR_ETHERLOOM_RESOURCE')
    expect(error?.message).to.contain('/dev/full').and.to.contain('(ENOSPC)')
    a.send(frame({ tag: 1000 }))
    expect((await receive(b, 101)).length).to.equal(101)
  })
})
