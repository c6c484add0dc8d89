/** The network of TME's manual, run from the machines' own files: guests on the shared TAP, the host, and what is behind it. */
import { expect } from 'chai'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closing } from '../helpers/fabric.js'
import { guestCommand, pingFrom } from '../helpers/guest.js'
import { describeOnDevices, eventually, type Child } from '../helpers/kernel.js'
import { cable, Host } from '../helpers/network.js'

/** The documented example; NIC and bus stand for the rest of the machine. */
const master = `sbus0: tme/bus/sbus
le0 at sbus0 slot 0 offset 0xc00000 ipl 5 dma-offset 0xff000000: tme/ic/am7990
tap0: tme/host/tun/tap interface tapA inet 10.0.77.1 netmask 255.255.255.0 bcast 10.0.77.255 nat uplink # master only
tap0 at tap0 # master only
bpf0 at le0: tme/host/bsd/bpf interface tapA
`
const all = { sent: 100, received: 100, duplicates: 0 }

describeOnDevices("TME's master and slaves", function () {
  this.timeout(120_000)
  const close = closing()
  let lab: Host
  let beyond: Host
  let folder: string

  beforeEach(async () => {
    lab = close(await Host.create(9))
    beyond = close(await Host.create(1))
    await cable(beyond, lab, 'uplink')
    await lab.ip('address', 'add', '10.0.0.9/24', 'dev', 'uplink')
    folder = await mkdtemp(join(tmpdir(), 'etherloom-tmesh-'))
    close({ close: () => rm(folder, { recursive: true }) })
    await writeFile(join(folder, 'master.tmesh'), master)
  })

  /** `etherloom up master.tmesh` in the lab, once it is up. */
  async function up(): Promise<Child> {
    const program = lab.etherloom(folder, 'up', join(folder, 'master.tmesh'))
    expect(await program.line()).to.equal('master: up with 2 ports; Ctrl-C ends it')
    return program
  }

  /** A machine with a packet socket on the shared TAP, as its emulator has one. */
  async function machine(number: number): Promise<Child> {
    const guest = lab.start(...guestCommand('packet:tapA', number))
    expect(await guest.line()).to.equal('ready')
    return guest
  }

  it('reach each other, the host, and what is behind it: once each', async () => {
    await up()
    const [first, second, third, fourth] = (await Promise.all([2, 3, 4, 5].map(machine))) as [
      Child,
      Child,
      Child,
      Child,
    ]
    expect(await pingFrom(first, '10.0.77.3', 100)).to.deep.equal(all)
    expect(await pingFrom(third, '10.0.77.5', 100)).to.deep.equal(all)
    expect(await pingFrom(fourth, '10.0.77.1', 100)).to.deep.equal(all)
    expect(await pingFrom(second, beyond.address, 100, '10.0.77.1')).to.deep.equal(all)
    expect(await lab.ping('10.0.77.4', 100, 0.002)).to.include({ received: 100, duplicates: 0 })
  })

  it('and one that is killed costs the others nothing', async () => {
    await up()
    const [first, , third] = (await Promise.all([2, 3, 4].map(machine))) as [Child, Child, Child]
    const pings = pingFrom(first, '10.0.77.1', 100)
    third.signal('SIGKILL')
    expect(await pings).to.deep.equal(all)
    expect(await pingFrom(first, '10.0.77.3', 100)).to.deep.equal(all)
  })

  it('and nothing is left when the hub is killed; its restart takes new machines', async () => {
    const hub = await up()
    hub.signal('SIGKILL')
    await eventually(
      'both TAPs are gone',
      async () => !(await lab.link('tapA')) && !(await lab.link('tapA-host')),
    )
    await up()
    const [first] = (await Promise.all([2, 3].map(machine))) as [Child]
    expect(await pingFrom(first, '10.0.77.3', 100)).to.deep.equal(all)
    expect(await pingFrom(first, '10.0.77.1', 100)).to.deep.equal(all)
  })
})
