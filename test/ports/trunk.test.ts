/**
 * The network of TME's manual with a process for each machine, from the topology files of the examples: a hub with a way
 * out, three slaves on its trunk, and what becomes of all others when one of the processes is killed.
 */
import { expect } from 'chai'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closing } from '../helpers/fabric.js'
import { guestCommand, pingFrom } from '../helpers/guest.js'
import { describeUnless, eventually, lacksNetwork, lacksProgram, type Child } from '../helpers/kernel.js'
import { cable, Host } from '../helpers/network.js'

const all = { sent: 100, received: 100, duplicates: 0 }

describeUnless(lacksNetwork() ?? lacksProgram('nft'), 'A process for each machine', function () {
  this.timeout(300_000) // five processes of the command line, one after the other
  const close = closing()
  let lab: Host
  let beyond: Host
  let folder: string

  beforeEach(async () => {
    lab = close(await Host.create(9))
    beyond = close(await Host.create(8))
    await cable(beyond, lab, 'uplink')
    await lab.ip('address', 'add', `${lab.address}/24`, 'dev', 'uplink')
    folder = await mkdtemp(join(tmpdir(), 'etherloom-trunk-'))
    close({ close: () => rm(folder, { recursive: true }) })
  })

  /** The command line in the lab. */
  const etherloom = (...words: string[]): Child => lab.etherloom(folder, ...words)

  /** Runs an example, with some of its words replaced, until it is up. */
  async function up(example: string, name: string, replacements: [string, string][]): Promise<Child> {
    const file = join(folder, `${name}.yaml`)
    let text = (await readFile(`examples/${example}.yaml`, 'utf8')).replaceAll('/run', folder)
    for (const [word, other] of replacements) {
      expect(text).to.contain(word)
      text = text.replaceAll(word, other)
    }
    await writeFile(file, text)
    const program = etherloom('up', '--name', name, file)
    expect(await program.line()).to.match(/: up with \d ports; Ctrl-C ends it$/)
    return program
  }

  const hub = (): Promise<Child> =>
    up('trunk-hub', 'hub', [
      ['addresses: [10.0.77.1/24]', 'addresses: [10.0.77.1/24], gateway: { interface: uplink }'],
    ])
  const slave = (number: number): Promise<Child> =>
    up('trunk-slave', `slave${number}`, [['tapB', `tap${number}`]])

  /** An emulator with a packet socket. */
  async function machine(number: number, tap: string): Promise<Child> {
    const guest = lab.start(...guestCommand(`packet:${tap}`, number))
    expect(await guest.line()).to.equal('ready')
    return guest
  }

  /** Reads what an instance says up to this line. */
  async function says(instance: Child, expected: RegExp): Promise<void> {
    while (!expected.test(await instance.line()));
  }

  it('reaches all others and the outside, whichever of them is killed, and the hub too once it is back', async () => {
    const first = await hub()
    const slaves: Child[] = []
    for (const number of [2, 3, 4]) {
      slaves.push(await slave(number))
      await says(first, /^lab\.slave\d: up$/)
    }
    const master = await machine(5, 'tapA')
    const [two, three, four] = (await Promise.all([2, 3, 4].map((n) => machine(n, `tap${n}`)))) as [
      Child,
      Child,
      Child,
    ]
    expect(await pingFrom(two, '10.0.77.3', 100)).to.deep.equal(all)
    expect(await pingFrom(three, '10.0.77.4', 100)).to.deep.equal(all)
    expect(await pingFrom(four, '10.0.77.5', 100), 'the master').to.deep.equal(all)
    expect(await pingFrom(two, '10.0.77.1', 100), 'the host').to.deep.equal(all)
    expect(await pingFrom(three, beyond.address, 100, '10.0.77.1'), 'outside').to.deep.equal(all)
    expect(await pingFrom(master, beyond.address, 100, '10.0.77.1'), 'outside').to.deep.equal(all)

    const pings = pingFrom(two, '10.0.77.3', 100)
    slaves[2]!.signal('SIGKILL')
    expect(await pings).to.deep.equal(all)
    await says(first, /^lab\.slave2: down: the peer of port 'slave2' .* has gone$/)
    expect(await pingFrom(three, beyond.address, 100, '10.0.77.1')).to.deep.equal(all)

    first.signal('SIGKILL')
    for (const each of slaves.slice(0, 2)) await says(each, /^cable\.trunk: down: /)
    expect(await pingFrom(two, '10.0.77.3', 2)).to.deep.equal({ sent: 2, received: 0, duplicates: 0 })
    const drops = await etherloom('show', 'drops', '--name', 'slave2', '--json').rest()
    expect(JSON.parse(drops), 'one row').to.include({ reason: 'port-down', frames: 2 })
    await eventually('the TAPs of the hub are gone', async () => !(await lab.link('tapA-host')))

    await hub()
    for (const each of slaves.slice(0, 2)) await says(each, /^cable\.trunk: up$/)
    await eventually(
      'the hub has taken both',
      async () => (await pingFrom(two, '10.0.77.3', 1)).received === 1,
    )
    expect(await pingFrom(two, '10.0.77.3', 100)).to.deep.equal(all)
    const again = await machine(6, 'tapA')
    expect(await pingFrom(again, '10.0.77.3', 100)).to.deep.equal(all)
    await slave(4)
    const fresh = await machine(7, 'tap4')
    expect(await pingFrom(fresh, beyond.address, 100, '10.0.77.1')).to.deep.equal(all)
  })
})
