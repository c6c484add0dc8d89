/**
 * What outlives a kill: each process of ours, and what the kernel keeps for us, by each death, alone and with others: what the
 * rest notices, what is left, how it heals. The table of docs/reference/gateway.md is of these tests.
 */
import { expect } from 'chai'
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hub, TapPort, type EtherloomError } from '../../lib/index.js'
import { closing } from '../helpers/fabric.js'
import {
  describeOnDevices,
  describeUnless,
  eventually,
  lacksNetwork,
  lacksProgram,
} from '../helpers/kernel.js'
import { cable, Host, processesIn, soon, startHub, type HostProcess } from '../helpers/network.js'

const forwarding = (name: string): string => `/proc/sys/net/ipv4/conf/${name}/forwarding`

/** What a process of a gateway is to it. */
function roleOf({ name, words }: HostProcess): string {
  if (words.includes('etherloom-guardian')) return 'guardian'
  return words.some((word) => word.endsWith('hub.ts')) ? 'etherloom' : name
}

/** The processes of a host by what they are; there is one of each, or the test fails. */
async function rolesIn(host: Host): Promise<Map<string, number>> {
  const processes = await processesIn(host)
  const roles = new Map(processes.map((each) => [roleOf(each), each.pid]))
  expect(roles.size, JSON.stringify(processes)).to.equal(processes.length)
  return roles
}

/** Ends all of them at the same moment: no one sees another's end. */
function kill(pids: readonly number[]): void {
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const pid of pids) process.kill(pid, signal)
}

const isGone = (pid: number): boolean => {
  try {
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}

/** A folder that is TMPDIR of what a test starts, and gone after it. */
function scratchFolder(close: (thing: { close(): void }) => unknown): string {
  const scratch = mkdtempSync(join(tmpdir(), 'etherloom-kills-'))
  close({ close: () => rmSync(scratch, { recursive: true, force: true }) })
  return scratch
}

describeUnless(
  lacksNetwork() ?? lacksProgram('nft', 'dnsmasq'),
  'what outlives a kill, of a gateway',
  function () {
    this.timeout(120_000)
    const close = closing()
    const tap = { name: 'tap0', addresses: ['10.0.77.1/24'], gateway: { interface: 'uplink', dhcp: true } }

    /**
     * A machine between an outside (10.0.0.5) and another host of its own (10.0.6.6), which the machine kept apart before.
     * Both know ways through the machine, and count what must not come to them.
     */
    async function scene(): Promise<{ machine: Host; outside: Host; other: Host }> {
      const machine = close(await Host.create(9))
      const outside = close(await Host.create(5))
      await cable(outside, machine, 'uplink')
      await machine.ip('address', 'add', `${machine.address}/24`, 'dev', 'uplink')
      await outside.ip('route', 'add', 'default', 'via', machine.address)
      const other = close(await Host.create(6))
      await other.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other')
      await other.ip('link', 'set', 'other', 'netns', machine.namespace.path)
      await other.ip('address', 'add', '10.0.6.6/24', 'dev', 'eth0')
      await other.ip('link', 'set', 'eth0', 'up')
      await other.ip('route', 'add', 'default', 'via', '10.0.6.1')
      await machine.ip('link', 'set', 'other', 'up')
      await machine.ip('address', 'add', '10.0.6.1/24', 'dev', 'other')
      for (const host of [outside, other])
        await host.run(
          'nft',
          `add table ip seen; add chain ip seen strays { type filter hook prerouting priority raw; };
         add rule ip seen strays ip saddr ${host === outside ? '{ 10.0.77.0/24, 10.0.6.0/24 }' : '{ 10.0.77.0/24, 10.0.0.0/24 }'} counter`,
        )
      return { machine, outside, other }
    }

    /** How many frames came to a host that must not. */
    const strays = async (host: Host): Promise<number> =>
      Number(/packets (\d+)/.exec(await host.run('nft', 'list', 'table', 'ip', 'seen'))?.[1])

    /** What is left of gateways on the machine. */
    async function left(machine: Host): Promise<object> {
      const tables = (await machine.run('nft', 'list', 'tables')).split('\n')
      return {
        processes: (await processesIn(machine)).map(roleOf).sort(),
        tables: tables.flatMap((line) => /^table ip (etherloom[^/]*)/.exec(line)?.[1] ?? []),
        uplink: (await machine.run('cat', forwarding('uplink'))).trim(),
      }
    }

    const nothing = { processes: [], tables: [], uplink: '0' }
    const guardOnly = { processes: [], tables: ['etherloom-guard'], uplink: '1' }

    async function eventuallyLeft(machine: Host, wanted: object): Promise<void> {
      let found = {}
      await eventually(`left is ${JSON.stringify(wanted)}`, async () => {
        found = await left(machine)
        return JSON.stringify(found) === JSON.stringify(wanted)
      }).catch((error: unknown) => {
        expect(found, (error as Error).message).to.deep.equal(wanted)
      })
    }

    /** A gateway of this process, with a guest behind it, that stands. */
    async function gateway(machine: Host): Promise<{ hub: Hub; port: TapPort; guest: Host }> {
      const hub = close(new Hub())
      const port = await hub.attach(new TapPort({ ...tap, namespace: machine.namespace.path }))
      const guest = close(await Host.create(2))
      await hub.attach(guest.tap({ addresses: ['10.0.77.2/24'] }))
      await guest.ip('route', 'add', 'default', 'via', '10.0.77.1')
      return { hub, port, guest }
    }

    const told = (port: TapPort): { down: Promise<EtherloomError>; up: Promise<void> } => ({
      down: new Promise((resolve) => port.once('gateway:down', resolve)),
      up: new Promise((resolve) => port.once('gateway:up', resolve)),
    })

    const alone = [['nft'], ['guardian'], ['dnsmasq'], ['nft', 'guardian', 'dnsmasq']]
    for (const victims of alone)
      it(`${victims.join(', ')} killed: said, nothing passes that should not, and it stands again`, async () => {
        const { machine, outside, other } = await scene()
        const { hub, port, guest } = await gateway(machine)
        const before = await rolesIn(machine)
        const { down, up } = told(port)
        const traffic = [
          guest.ping(outside, 800, 0.002, soon),
          outside.ping('10.0.6.6', 800, 0.002, soon),
          outside.ping('10.0.77.2', 800, 0.002, soon),
        ]
        kill(victims.map((each) => before.get(each)!))
        expect((await down).message).to.equal(
          "the gateway of 'tap0' has ended: nft, dnsmasq or their guardian was ended",
        )
        expect(port.state).to.equal('up')
        await up
        const pings = await Promise.all(traffic)
        expect(pings.slice(1).map(({ received }) => received)).to.deep.equal([0, 0])
        expect([await strays(outside), await strays(other)]).to.deep.equal([0, 0])
        expect(await guest.ping(outside, 10, 0.01)).to.include({ received: 10, duplicates: 0 })
        const after = await rolesIn(machine)
        expect([...after.keys()].sort()).to.deep.equal(['dnsmasq', 'guardian', 'nft'])
        for (const [role, pid] of before) expect(after.get(role), role).not.to.equal(pid)
        await hub.close()
        expect(await left(machine)).to.deep.equal(nothing)
      })

    for (const victim of ['nft', 'dnsmasq', 'guardian'])
      it(`${victim} stopped: goes on, and closes all the same`, async () => {
        const { machine, outside } = await scene()
        const { hub, guest } = await gateway(machine)
        const pids = await rolesIn(machine)
        process.kill(pids.get(victim)!, 'SIGSTOP')
        expect(await guest.ping(outside, 5, 0.01)).to.include({ received: 5 })
        await hub.close()
        expect(await left(machine)).to.deep.equal(nothing)
        for (const pid of pids.values()) expect(isGone(pid)).to.be.true
      })

    it('nft killed while the guardian is stopped: nothing leaves untranslated meanwhile, and it stands again', async () => {
      const { machine, outside, other } = await scene()
      const { hub, port, guest } = await gateway(machine)
      const pids = await rolesIn(machine)
      const { up } = told(port)
      process.kill(pids.get('guardian')!, 'SIGSTOP')
      process.kill(pids.get('nft')!, 'SIGKILL')
      await eventually(
        'the translation is gone',
        async () => !(await machine.run('nft', 'list', 'tables')).includes('etherloom/'),
      )
      expect(await left(machine)).to.deep.include({ tables: ['etherloom-guard'], uplink: '1' })
      await Promise.all([guest.ping(outside, 100, 0.005, soon), outside.ping('10.0.6.6', 100, 0.005, soon)])
      expect([await strays(outside), await strays(other)]).to.deep.equal([0, 0])
      await up
      expect(await guest.ping(outside, 5, 0.01)).to.include({ received: 5 })
      await hub.close()
      expect(await left(machine)).to.deep.equal(nothing)
    })

    it('dnsmasq stopped, and its guardian killed: both are replaced', async () => {
      const { machine } = await scene()
      const { hub, port } = await gateway(machine)
      const pids = await rolesIn(machine)
      const { up } = told(port)
      process.kill(pids.get('dnsmasq')!, 'SIGSTOP')
      process.kill(pids.get('guardian')!, 'SIGKILL')
      await up
      expect(isGone(pids.get('dnsmasq')!)).to.be.true
      await hub.close()
      expect(await left(machine)).to.deep.equal(nothing)
    })

    const together: [what: string, victims: string[], left: object][] = [
      ['the process', ['etherloom'], nothing],
      ['the process and nft', ['etherloom', 'nft'], nothing],
      ['the process and dnsmasq', ['etherloom', 'dnsmasq'], nothing],
      ['the process and its guardian', ['etherloom', 'guardian'], guardOnly],
      ['everything', ['etherloom', 'guardian', 'nft', 'dnsmasq'], guardOnly],
    ]
    for (const [what, victims, wanted] of together)
      it(`${what} killed at once: ${wanted === nothing ? 'nothing' : 'a guard alone'} is left, and nothing passes`, async () => {
        const { machine, outside, other } = await scene()
        const { code, message } = await startHub([{ tap }], { host: machine })
        expect(code, message).to.be.undefined
        const pids = await rolesIn(machine)
        const traffic = outside.ping('10.0.6.6', 500, 0.002, soon)
        kill(victims.map((each) => pids.get(each)!))
        await eventuallyLeft(machine, wanted)
        expect(await traffic).to.include({ received: 0 })
        expect(await outside.ping('10.0.6.6', 5, 0.01, soon)).to.include({ received: 0 })
        expect(await strays(other)).to.equal(0)
        if (wanted === nothing) return
        // The next gateway undoes it, whoever has it, and takes the note of what forwarding was.
        const { hub } = await gateway(machine)
        expect(await left(machine)).to.deep.include({
          tables: ['etherloom-guard', 'etherloom'],
        })
        await hub.close()
        expect(await left(machine)).to.deep.equal(nothing)
      })

    it('the guard alone is what keeps a machine shut, and doctor says so and undoes it', async () => {
      const { machine, outside, other } = await scene()
      await startHub([{ tap }], { host: machine })
      kill([...(await rolesIn(machine)).values()])
      await eventuallyLeft(machine, guardOnly)
      const folder = scratchFolder(close)
      const said = await machine.etherloom(folder, 'doctor', '--json').rest()
      expect(said).to.match(/"left of gateways".*"ok":false.*etherloom-guard\/tap0\/uplink\//)
      expect(await left(machine)).to.deep.equal(guardOnly)
      expect(await machine.etherloom(folder, 'doctor', '--mend').rest()).to.match(/left of gateways: undone/)
      expect(await left(machine)).to.deep.equal(nothing)

      // Without it, this machine would forward: the test can see what it looks for.
      await startHub([{ tap }], { host: machine })
      kill([...(await rolesIn(machine)).values()])
      await eventuallyLeft(machine, guardOnly)
      const [guard] = /etherloom-guard\S+/.exec(await machine.run('nft', 'list', 'tables')) ?? []
      await machine.run('nft', 'delete', 'table', 'ip', guard!)
      expect(await strays(other)).to.equal(0)
      await outside.ping('10.0.6.6', 5, 0.01, soon) // no answer leads back: only what comes from the outside is forwarded
      expect(await strays(other)).to.equal(5)
    })

    it('the process stopped, then killed: nothing is left', async () => {
      const { machine } = await scene()
      const { program } = await startHub([{ tap }], { host: machine })
      program.signal('SIGSTOP')
      await program.close()
      await eventuallyLeft(machine, nothing)
    })

    it('its guardian stopped and the process killed: nothing passes, and nothing is left when it goes on', async () => {
      const { machine, outside, other } = await scene()
      const { program } = await startHub([{ tap }], { host: machine })
      const guardian = (await rolesIn(machine)).get('guardian')!
      close({
        close: () => {
          if (!isGone(guardian)) process.kill(guardian, 'SIGKILL')
        },
      })
      process.kill(guardian, 'SIGSTOP')
      await program.close()
      expect(await outside.ping('10.0.6.6', 50, 0.01, soon)).to.include({ received: 0 })
      expect(await strays(other)).to.equal(0)
      process.kill(guardian, 'SIGCONT')
      await eventuallyLeft(machine, nothing)
    })

    it('one of two that share an outside killed with everything: the other goes on, and who goes last sets back', async () => {
      const { machine, outside } = await scene()
      const another = { ...tap, name: 'tap1', addresses: ['10.0.78.1/24'], gateway: { interface: 'uplink' } }
      await startHub([{ tap: another }], { host: machine })
      const pids = [...(await rolesIn(machine)).values()]
      const { hub, guest } = await gateway(machine)
      kill(pids)
      expect(await guest.ping(outside, 20, 0.01)).to.include({ received: 20 })
      await hub.close()
      await eventuallyLeft(machine, nothing)
    })

    it('the outside interface gone: said, and it stands again when that is back with an address', async () => {
      const { machine, outside } = await scene()
      const { hub, port, guest } = await gateway(machine)
      const { down, up } = told(port)
      await machine.ip('link', 'delete', 'uplink')
      expect((await down).message).to.equal(
        "the gateway of 'tap0' has ended: 'uplink', which leads outside, is gone",
      )
      expect((await processesIn(machine)).map(roleOf)).not.to.include.members(['guardian', 'nft', 'dnsmasq'])
      await cable(outside, machine, 'uplink')
      await machine.ip('address', 'add', `${machine.address}/24`, 'dev', 'uplink')
      await up
      expect(await guest.ping(outside, 5, 0.01)).to.include({ received: 5 })
      await hub.close()
      expect(await left(machine)).to.deep.equal(nothing)
    })

    it('the outside interface renamed: it goes on, as shut as before, and is undone', async () => {
      const { machine, outside, other } = await scene()
      const { hub, guest } = await gateway(machine)
      await machine.ip('link', 'set', 'uplink', 'name', 'wan')
      expect(await guest.ping(outside, 5, 0.01)).to.include({ received: 5 })
      expect(await outside.ping('10.0.6.6', 5, 0.01, soon)).to.include({ received: 0 })
      await hub.close()
      await machine.ip('link', 'set', 'wan', 'name', 'uplink')
      expect(await left(machine)).to.deep.equal(nothing)
      expect(await strays(other)).to.equal(0)
    })
  },
)

describeUnless(lacksNetwork() ?? lacksProgram('passt'), 'what outlives a kill, of passt', function () {
  this.timeout(120_000)
  const close = closing()

  async function machineWithRoute(): Promise<Host> {
    const machine = close(await Host.create(9))
    const outside = close(await Host.create(5))
    await cable(outside, machine, 'uplink')
    await machine.ip('address', 'add', `${machine.address}/24`, 'dev', 'uplink')
    await machine.ip('route', 'add', 'default', 'via', outside.address)
    return machine
  }

  const passtIn = async (machine: Host): Promise<number | undefined> =>
    (await processesIn(machine)).find(({ name }) => name.startsWith('passt'))?.pid

  for (const [what, stopped, victims] of [
    ['the process', false, ['etherloom']],
    ['the process, with passt stopped', true, ['etherloom']],
    ['the process and passt', false, ['etherloom', 'passt']],
  ] as const)
    it(`${what} killed: neither passt nor a file is left`, async () => {
      const machine = await machineWithRoute()
      const scratch = scratchFolder(close)
      const parts = [{ passt: { address: '10.0.2.15/24', gateway: '10.0.2.2' } }]
      const { program } = await startHub(parts, { before: ['env', `TMPDIR=${scratch}`], host: machine })
      const passt = (await passtIn(machine))!
      if (stopped) process.kill(passt, 'SIGSTOP')
      kill([program.pid, ...(victims.length > 1 ? [passt] : [])])
      await eventually('passt is gone', () => isGone(passt))
      expect(readdirSync(scratch).filter((name) => !name.startsWith('tsx-'))).to.be.empty
    })

  for (const signal of ['SIGKILL', 'SIGTERM'] as const)
    it(`passt ended by ${signal}: the port is down, and up again with another`, async () => {
      const machine = await machineWithRoute()
      const { program } = await startHub([{ passt: { address: '10.0.2.15/24' } }], { host: machine })
      const first = (await passtIn(machine))!
      process.kill(first, signal)
      expect(JSON.parse(await program.line())).to.deep.equal({
        event: 'port:down',
        message: "the peer of port 'passt0' at passt has gone",
      })
      expect(JSON.parse(await program.line())).to.deep.equal({ event: 'port:up' })
      expect(isGone(first)).to.be.true
      expect(await passtIn(machine)).to.be.a('number')
    })
})

describeOnDevices('what outlives a kill, of programs that we start', function () {
  this.timeout(120_000)
  const close = closing()

  /** Ends what should have ended, where the test fails. */
  const ending = (pids: readonly number[]): void => {
    close({
      close: () => {
        for (const pid of pids) if (!isGone(pid)) process.kill(pid, 'SIGKILL')
      },
    })
  }

  it('of fabric.spawn: nothing, also of one that hears no signal and one that is stopped', async () => {
    const machine = close(await Host.create(1))
    const deaf = ['sh', '-c', 'trap "" HUP INT TERM; exec sleep 602']
    const parts = [{ spawn: ['sleep', '600'] }, { spawn: ['sleep', '601'] }, { spawn: deaf }]
    const { program } = await startHub(parts, { host: machine })
    const started = (await processesIn(machine)).filter(({ pid }) => pid !== program.pid)
    ending(started.map(({ pid }) => pid))
    expect(started.filter(({ name }) => name === 'sleep')).to.have.length(3)
    process.kill(started.find(({ words }) => words.includes('601'))!.pid, 'SIGSTOP')
    process.kill(program.pid, 'SIGKILL')
    await eventually('all are gone', () => started.every(({ pid }) => isGone(pid)))
  })

  it('of fabric.spawn in a PID namespace: nothing, also of what the program started and of who became another user', async () => {
    const machine = close(await Host.create(1))
    const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--']
    const family = ['sh', '-c', `setsid sleep 603 & exec ${nobody.join(' ')} sleep 604`]
    const namespace = ['unshare', '--pid', '--fork', '--kill-child=KILL', 'sh', '-c', '"$@"; exit $?', 'sh']
    const { program } = await startHub([{ spawn: [...namespace, ...family] }], { host: machine })
    const sleepers = await eventually('both run', async () => {
      const found = (await processesIn(machine)).filter(({ name }) => name === 'sleep')
      return found.length === 2 && found
    })
    ending(sleepers.map(({ pid }) => pid))
    const users = sleepers.map(
      ({ pid }) => /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1],
    )
    expect(users.sort()).to.deep.equal(['0', '65534'])
    process.kill(program.pid, 'SIGKILL')
    await eventually('both are gone', () => sleepers.every(({ pid }) => isGone(pid)))
  })

  it('of a hook: nothing', async () => {
    const machine = close(await Host.create(1))
    const { program } = await startHub([{ hook: 'exec sleep 600' }], { host: machine })
    const hook = await eventually('the hook runs', async () =>
      (await processesIn(machine)).find(({ name }) => name === 'sleep'),
    )
    ending([hook.pid])
    process.kill(program.pid, 'SIGKILL')
    await eventually('it is gone', () => isGone(hook.pid))
  })

  it('of etherloom exec: nothing', async () => {
    const machine = close(await Host.create(1))
    const folder = scratchFolder(close)
    const topology = join(folder, 'lab.json')
    writeFileSync(
      topology,
      JSON.stringify({
        hosts: { red: {} },
        fabrics: { lab: { kind: 'hub', ports: { red: { host: 'red' } } } },
      }),
    )
    const up = machine.etherloom(folder, 'up', topology)
    expect(await up.line()).to.match(/^lab: up/)
    const exec = machine.etherloom(folder, 'exec', 'red', '--', 'sh', '-c', 'echo $$; exec sleep 600')
    const pid = Number(await exec.line())
    ending([pid])
    process.kill(exec.pid, 'SIGKILL')
    await eventually('it is gone', () => isGone(pid))
  })

  it('of a capture into a stream: no file', async () => {
    const machine = close(await Host.create(1))
    const scratch = scratchFolder(close)
    const { program } = await startHub([{ capture: true }], {
      before: ['env', `TMPDIR=${scratch}`],
      host: machine,
    })
    await program.close()
    expect(readdirSync(scratch).filter((name) => !name.startsWith('tsx-'))).to.be.empty
  })

  it('of an instance: a socket, which the next instance removes, whatever its name is', async () => {
    const machine = close(await Host.create(1))
    const folder = scratchFolder(close)
    const topology = join(folder, 'lab.json')
    writeFileSync(topology, JSON.stringify({ fabrics: { lab: { kind: 'hub', ports: {} } } }))
    const first = machine.etherloom(folder, 'up', topology, '--name', 'first')
    expect(await first.line()).to.match(/^first: up/)
    await first.close()
    const long = new Date(Date.now() - 60_000)
    utimesSync(join(folder, 'first.sock'), long, long)
    const second = machine.etherloom(folder, 'up', topology, '--name', 'second')
    expect(await second.line()).to.match(/^second: up/)
    expect(readdirSync(folder).filter((name) => name.endsWith('.sock'))).to.deep.equal(['second.sock'])
  })
})
