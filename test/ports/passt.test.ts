/** PasstPort: a guest gets out through a passt in a namespace of the test's own, which is its only network. */
import { expect } from 'chai'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hub, PasstPort } from '../../lib/index.js'
import { rejection } from '../helpers/errors.js'
import { closing } from '../helpers/fabric.js'
import { describeUnless, eventually, lacksNetwork, lacksProgram } from '../helpers/kernel.js'
import { cable, Host, processesIn, startHub, transfer, type HubAnswer } from '../helpers/network.js'

describe('PasstPort that is being opened', () => {
  const close = closing()

  it('ends by a signal, and leaves neither passt nor its directory', async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'etherloom-test-'))
    const { PATH, TMPDIR } = process.env
    close({
      close: () => {
        Object.assign(process.env, { PATH, TMPDIR })
        if (TMPDIR === undefined) delete process.env.TMPDIR
        rmSync(scratch, { recursive: true, force: true })
      },
    })
    chmodSync(scratch, 0o777) // passt is nobody
    const silent = join(scratch, 'passt')
    writeFileSync(silent, `#!/bin/sh\necho $$ > ${scratch}/pid\nexec sleep 600\n`, {
      mode: 0o755,
    })
    Object.assign(process.env, { PATH: `${scratch}:${PATH}`, TMPDIR: scratch })
    const hub = close(new Hub())
    const port = new PasstPort()
    const control = new AbortController()
    const attached = rejection(hub.attach(port, { signal: control.signal }))
    const pid = await eventually('passt runs', () =>
      existsSync(join(scratch, 'pid'))
        ? /^\d+(?=\n)/.exec(readFileSync(join(scratch, 'pid'), 'utf8'))?.[0]
        : undefined,
    )
    const reason = new Error('changed my mind')
    control.abort(reason)
    expect(await attached).to.equal(reason)
    expect([port.state, hub.ports.size]).to.deep.equal(['detached', 0])
    expect(existsSync(`/proc/${pid}`), 'passt').to.be.false
    expect(readdirSync(scratch)).to.have.members(['passt', 'pid'])
  })
})

describeUnless(lacksNetwork() ?? lacksProgram('passt', 'busybox'), 'PasstPort', function () {
  this.timeout(120_000)
  const close = closing()

  /** A guest whose only way out is passt, in a machine whose default route leads to the outside. */
  async function guestBehindPasst(options = {}): Promise<{
    guest: Host
    machine: Host
    outside: Host
    answer: HubAnswer
    scratch: string
  }> {
    const machine = close(await Host.create(9))
    const outside = close(await Host.create(5))
    await cable(outside, machine, 'uplink')
    await machine.ip('address', 'add', `${machine.address}/24`, 'dev', 'uplink')
    await machine.ip('route', 'add', 'default', 'via', outside.address)
    const guest = close(await Host.create(2))
    const scratch = mkdtempSync(join(tmpdir(), 'etherloom-test-'))
    close({ close: () => rmSync(scratch, { recursive: true, force: true }) } as never)
    await machine.run('chmod', '0711', scratch) // passt is nobody
    const tap = { name: 'eth0', namespace: guest.namespace.path }
    const passt = { address: '10.0.2.15/24', gateway: '10.0.2.2', dns: ['10.0.0.5'], ...options }
    const before = ['env', `TMPDIR=${scratch}`]
    const answer = await startHub([{ tap }, { passt }], { before, host: machine })
    return { guest, machine, outside, answer, scratch }
  }

  /** Whether a passt runs in the host's namespace. */
  const hasPasst = async (host: Host): Promise<boolean> =>
    (await processesIn(host)).some(({ name }) => name.startsWith('passt'))

  it('gives a guest an address and a way to the outside, and ends with the process', async () => {
    const { guest, machine, outside, answer, scratch } = await guestBehindPasst()
    expect(answer.code, answer.message).to.be.undefined
    const lease = await guest.lease()
    expect(lease).to.contain('10.0.2.15/24 via 10.0.2.2, names from 10.0.0.5')
    await transfer(guest, outside, 1_000_000)
    expect(await hasPasst(machine)).to.be.true

    await answer.program.close()
    await eventually('passt has ended', async () => !(await hasPasst(machine)))
    expect(readdirSync(scratch).filter((name) => !name.startsWith('tsx-'))).to.be.empty
  })

  it('says what passt says, and leaves nothing, where it cannot start', async () => {
    const { answer, machine, scratch } = await guestBehindPasst({ interface: 'no-such-one' })
    expect(answer.code).to.equal('ERR_ETHERLOOM_DEVICE')
    expect(answer.message).to.match(/cannot start passt: .*no-such-one/)
    expect(await hasPasst(machine)).to.be.false
    expect(readdirSync(scratch).filter((name) => !name.startsWith('tsx-'))).to.be.empty
  })
})
