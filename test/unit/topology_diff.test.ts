/** From one topology to another: what stays, what changes, in which order. */
import { expect } from 'chai'
import { diff, type Change } from '../../lib/topology/diff.js'
import { checkTopology } from '../../lib/topology/check.js'
import { emptyPlan, topologyOf, type Plan } from '../../lib/topology/plan.js'

function planned(topology: object): Plan {
  const checked = checkTopology(topology)
  if ('plan' in checked) return checked.plan
  throw new Error(JSON.stringify(checked.problems))
}

/** Changes in short: `attach a.x`, `set a: x>y=5ms z>x=default`. */
function brief(changes: Change[]): string[] {
  return changes.map((change) => {
    switch (change.do) {
      case 'set': {
        const paths = change.paths.map(({ from, to, policy }) => {
          if (policy === null) return `${from}>${to}=default`
          return `${from}>${to}=${policy.allowed ? (policy.delay ?? 'allowed') : 'denied'}`
        })
        return `set ${change.fabric}: ${paths.join(' ')}`
      }
      case 'patch':
      case 'unpatch':
        return `${change.do} ${change.ends.map(({ fabric, port }) => `${fabric}.${port}`).join('+')}`
      case 'attach':
      case 'detach':
      case 'configure':
        return `${change.do} ${change.fabric}.${change.port}`
      case 'open':
      case 'close':
      case 'stop':
      case 'start':
      case 'listen':
      case 'unlisten':
        return `${change.do} ${change.fabric}`
      case 'end':
      case 'begin':
        return `${change.do} ${change.world}`
      case 'run':
      case 'quit':
      case 'label':
        return `${change.do} ${change.plan.run}`
      default:
        return `${change.do} ${change.host}`
    }
  })
}

const steps = (before: object, after: object): string[] => brief(diff(planned(before), planned(after)))

const hub = (ports: object, paths: object[] = [], more: object = {}): object => ({
  fabrics: { a: { kind: 'hub', ports, paths, ...more } },
})
const three = { x: { tap: 'tx' }, y: { tap: 'ty' }, z: { tap: 'tz' } }

describe('the differ', () => {
  it('finds nothing between a topology and itself, in whatever form it is written', () => {
    const one = hub(three, [{ between: ['x', 'y'], delay: '5ms', loss: '2%' }])
    const other = hub(three, [
      { from: 'y', to: 'x', loss: 0.02, delay: '5ms' },
      { from: 'x', to: ['y'], delay: '5ms', loss: 0.02 },
    ])
    expect(steps(one, one)).to.deep.equal([])
    expect(steps(one, other)).to.deep.equal([])
  })

  it('finds nothing between two spellings of the same', () => {
    const host = (mac: string, address: string, settings: object): unknown => ({
      hosts: { red: settings },
      fabrics: { a: { kind: 'hub', ports: { red: { host: 'red', mac, addresses: [address] } } } },
    })
    const one = host('02:00:00:00:00:0A', 'FD00:0::1/064', {
      sysctls: { 'net.ipv4.tcp_ecn': '1', 'net/ipv4/conf/eth0.1/rp_filter': 2 },
      routes: [
        { to: '0.0.0.0/0', via: '10.0.0.1' },
        { to: '::/0', via: 'fd00:0:0::2' },
        { to: 'fd02::5/64', via: 'fd00::2' },
        { to: '10.0.0.9/32', dev: 'eth0' },
      ],
      dns: { servers: ['FD00::3'] },
    })
    const other = host('02:00:00:00:00:0a', 'fd00::1/64', {
      sysctls: { 'net/ipv4/conf/eth0.1/rp_filter': '2', 'net/ipv4/tcp_ecn': 1 },
      routes: [
        { to: 'default', via: '10.0.0.1' },
        { to: 'default', via: 'fd00::2' },
        { to: 'fd02::/64', via: 'fd00::2' },
        { to: '10.0.0.9', dev: 'eth0' },
      ],
      dns: { servers: ['fd00::3'] },
    })
    expect(steps(one as never, other as never)).to.deep.equal([])
  })

  it('changes the delay, the receive filter and the storm guard of a port where it is, and replaces it for all else', () => {
    const [plain, far] = [hub(three), hub({ ...three, y: { tap: 'ty', delay: '10ms' } })]
    const filtered = hub({ ...three, y: { tap: 'ty', delay: '10ms', receive: { promiscuous: true } } })
    expect(steps(plain, far)).to.deep.equal(['configure a.y'])
    expect(steps(far, filtered)).to.deep.equal(['configure a.y'])
    expect(steps(filtered, plain)).to.deep.equal(['configure a.y'])
    expect(steps(far, far)).to.deep.equal([])
    const guarded = hub({ ...three, y: { tap: 'ty', storm: { broadcast: 100 } } })
    expect(steps(plain, guarded)).to.deep.equal(['configure a.y'])
    expect(steps(guarded, plain)).to.deep.equal(['configure a.y'])
    expect(steps(guarded, guarded)).to.deep.equal([])
    const other = hub({ ...three, y: { tap: 'ty', delay: '20ms', writeback: true } })
    expect(steps(far, other)).to.deep.equal(['detach a.y', 'attach a.y'])
  })

  it('listens when all else is there, anew where it differs, and not where it is the same', () => {
    const [one, other] = [{ listen: { socket: '/run/a' } }, { listen: { socket: '/run/b', peers: 2 } }]
    const listening = hub(three, [{ between: ['x', 'y'] }], one)
    expect(steps(hub({}), listening).slice(-2)).to.deep.equal(['set a: x>y=allowed y>x=allowed', 'listen a'])
    expect(steps(listening, hub(three, [], one))).to.deep.equal(['set a: x>y=default y>x=default'])
    expect(steps(hub(three, [], one), hub(three, [], other))).to.deep.equal(['unlisten a', 'listen a'])
    expect(steps(hub(three, [], one), hub({ y: three.y, z: three.z }))).to.deep.equal([
      'unlisten a',
      'detach a.x',
    ])
    expect(
      steps(hub(three, [], one), {
        fabrics: { a: { kind: 'hub', ports: three, forwarding: 'deny', ...one } },
      }),
    ).to.deep.equal([
      'unlisten a',
      'detach a.x',
      'detach a.y',
      'detach a.z',
      'close a',
      'open a',
      'attach a.x',
      'attach a.y',
      'attach a.z',
      'listen a',
    ])
    expect(topologyOf(planned(listening)).fabrics.a).to.deep.include(one)
    const both = { listen: [one.listen, other.listen] }
    expect(steps(hub(three, [], one), hub(three, [], both))).to.deep.equal(['listen a'])
    expect(steps(hub(three, [], both), hub(three, [], other))).to.deep.equal(['unlisten a'])
    expect(topologyOf(planned(hub(three, [], both))).fabrics.a).to.deep.include(both)
  })

  it('builds from nothing in the order in which things need each other', () => {
    const topology = {
      hosts: { red: null },
      fabrics: {
        a: {
          kind: 'hub',
          ports: { x: { host: 'red' }, p: { patch: 'b.q' } },
          paths: [{ between: ['x', 'p'] }],
        },
        b: { kind: 'switch', ports: { q: { patch: 'a.p' } } },
      },
    }
    const built = brief(diff(emptyPlan({}), planned(topology)))
    expect(built).to.deep.equal([
      'create red',
      'open a',
      'open b',
      'attach a.x',
      'patch a.p+b.q',
      'set a: x>p=allowed p>x=allowed',
    ])
    expect(brief(diff(planned(topology), emptyPlan({})))).to.deep.equal([
      'detach a.x',
      'unpatch a.p+b.q',
      'close a',
      'close b',
      'remove red',
    ])
  })

  it('sets only the paths that differ, and returns to the default what is no longer named', () => {
    const before = hub(three, [
      { between: ['x', 'y'], delay: '5ms' },
      { from: 'x', to: 'z', delay: '1ms' },
    ])
    const after = hub(three, [
      { from: 'x', to: 'y', delay: '6ms' },
      { from: 'y', to: 'x', delay: '5ms' },
      { from: 'z', to: 'y', allowed: false },
    ])
    expect(steps(before, after)).to.deep.equal(['set a: x>y=6ms z>y=denied x>z=default'])
  })

  it('replaces a port that differs, and sets all its paths again', () => {
    const paths = [{ between: ['x', 'y'] }, { between: ['y', 'z'] }]
    const after = hub({ ...three, z: { tap: 'tz', mtu: 9000 } }, paths)
    expect(steps(hub(three, paths), after)).to.deep.equal([
      'detach a.z',
      'attach a.z',
      'set a: y>z=allowed z>y=allowed',
    ])
  })

  it('replaces a port whose group or VLANs differ', () => {
    expect(steps(hub(three), hub({ ...three, z: { tap: 'tz', group: 'g' } }))).to.deep.equal([
      'detach a.z',
      'attach a.z',
    ])
  })

  it('forgets the paths of a port that leaves without setting them', () => {
    const { z: _, ...two } = three
    expect(steps(hub(three, [{ between: ['x', 'z'] }]), hub(two))).to.deep.equal(['detach a.z'])
  })

  it('replaces a fabric whose kind or options differ, with its ports and paths', () => {
    const before = hub(three, [{ between: ['x', 'y'] }])
    const after = hub(three, [{ between: ['x', 'y'] }], { forwarding: 'deny' })
    expect(steps(before, after)).to.deep.equal([
      'detach a.x',
      'detach a.y',
      'detach a.z',
      'close a',
      'open a',
      'attach a.x',
      'attach a.y',
      'attach a.z',
      'set a: x>y=allowed y>x=allowed',
    ])
  })

  it('replaces both ends of a patch when one fabric is replaced', () => {
    const patched = (kind: string): object => ({
      fabrics: {
        a: { kind, ports: { p: { patch: 'b.q' } } },
        b: {
          kind: 'hub',
          ports: { q: { patch: 'a.p' }, x: { tap: 'tx' } },
          paths: [{ between: ['q', 'x'] }],
        },
      },
    })
    expect(steps(patched('hub'), patched('switch'))).to.deep.equal([
      'unpatch a.p+b.q',
      'close a',
      'open a',
      'patch a.p+b.q',
      'set b: q>x=allowed x>q=allowed',
    ])
  })

  it('lets programs go on that are the same, whatever else runs in their host', () => {
    const lab = (run: unknown, more: object = {}): object => ({
      hosts: { red: { run, ...more } },
      ...hub({ red: { host: 'red' } }),
    })
    expect(steps(hub({}), lab('x'))).to.deep.equal(['create red', 'attach a.red', 'run red'])
    expect(steps(lab('x'), lab(['y', 'x'], { forwarding: true }))).to.deep.equal([
      'label red.x',
      'equip red',
      'run red.y',
    ])
    expect(steps(lab(['x', 'x']), lab('x'))).to.deep.equal(['quit red.x-2', 'label red'])
    expect(steps(lab('x'), lab([{ command: 'x', restart: 'always' }]))).to.deep.equal(['quit red', 'run red'])
    expect(steps(lab('x'), hub({}))).to.deep.equal(['quit red', 'detach a.red', 'remove red'])
  })

  it('moves an interface between hosts through detach and attach', () => {
    const on = (host: string): object => ({ hosts: { red: {}, blue: {} }, ...hub({ x: { host } }) })
    expect(steps(on('red'), on('blue'))).to.deep.equal(['detach a.x', 'attach a.x'])
  })
})

describe('a plan', () => {
  it('numbers the interfaces of a host around those that are named', () => {
    const plan = planned({
      hosts: { red: {} },
      ...hub({ x: { host: 'red' }, y: { host: 'red', interface: 'eth0' }, z: { host: 'red' } }),
    })
    const names = [...plan.fabrics.get('a')!.ports.values()].map((port) => 'host' in port && port.interface)
    expect(names).to.deep.equal(['eth1', 'eth0', 'eth2'])
  })

  it('lets the last entry that names a pair hold', () => {
    const plan = planned(
      hub(three, [
        { from: '*', to: '*', delay: '1ms' },
        { from: 'x', to: ['y', 'z'], allowed: false },
      ]),
    )
    const paths = [...plan.fabrics.get('a')!.paths.values()]
    expect(paths).to.have.length(6)
    expect(paths.filter(({ policy }) => !policy.allowed).map(({ from, to }) => from + to)).to.deep.equal([
      'xy',
      'xz',
    ])
  })

  it('written as a topology comes to the same plan', () => {
    const topology = {
      name: 'lab',
      seed: 7,
      hosts: { red: { addresses: ['10.0.0.1/24'] } },
      fabrics: {
        a: {
          kind: 'switch',
          ageing: '60s',
          ports: {
            x: { host: 'red', mtu: 9000 },
            n: { packet: 'veth0', direction: 'both' },
            p: { patch: 'b.q' },
            s: { socket: '/run/lab.sock', role: 'listen', mode: 0o660 },
            u: { udp: '127.0.0.1:5000', remote: '127.0.0.1:5001', keepAlive: '10s' },
          },
          paths: [
            { between: ['x', 'n'], delay: '5ms', loss: '2%', filter: { etherType: 'arp' } },
            { from: 'x', to: 'p', allowed: false },
          ],
        },
        b: {
          kind: 'hub',
          forwarding: 'deny',
          ports: { q: { patch: 'a.p' }, t: { tap: 't0', persist: true } },
        },
      },
    }
    const plan = planned(topology)
    const written = topologyOf(plan)
    expect(planned(JSON.parse(JSON.stringify(written)) as object)).to.deep.equal(plan)
    expect(written.fabrics.a?.paths).to.have.length(2)
  })

  it('lets a timeline go on that is the same, and stops first and starts last one that is not', () => {
    const entry = (at: string) => ({ timeline: [{ at, port: 'x', carrier: 'off' }] })
    const path = { from: 'x', to: 'y', delay: '5ms' }
    expect(steps(hub(three, [], entry('1s')), hub(three, [path], entry('1s')))).to.deep.equal([
      'set a: x>y=5ms',
    ])
    expect(steps(hub(three, [], entry('1s')), hub(three, [path], entry('2s')))).to.deep.equal([
      'stop a',
      'set a: x>y=5ms',
      'start a',
    ])
    expect(steps(hub(three, [], entry('1s')), hub(three))).to.deep.equal(['stop a'])
    const other = hub(three, [], { ...entry('1s'), forwarding: 'deny' })
    expect(steps(hub(three, [], entry('1s')), other)).to.include.members([
      'stop a',
      'close a',
      'open a',
      'start a',
    ])
  })

  it('exports groups and VLANs of ports of any kind', () => {
    const [group, vlan] = ['g', { trunk: [10, 20], native: 1 }]
    const topology = {
      hosts: { red: {} },
      fabrics: {
        a: {
          kind: 'switch',
          ports: {
            x: { tap: 'tx', group },
            y: { packet: 'py', vlan },
            z: { host: 'red', group, vlan: { access: 10 } },
            p: { patch: 'b.q', vlan: { trunk: 'all' } },
          },
        },
        b: { kind: 'hub', ports: { q: { patch: 'a.p', group } } },
      },
    }
    const plan = planned(topology)
    const written = topologyOf(plan)
    expect(written.fabrics.a?.ports.y).to.deep.equal({ packet: 'py', vlan })
    expect(planned(JSON.parse(JSON.stringify(written)) as object)).to.deep.equal(plan)
  })

  it("does not mean pairs within a group by '*', nor lets a timeline open them", () => {
    const grouped = { x: { tap: 'tx' }, y: { tap: 'ty', group: 'g' }, z: { tap: 'tz', group: 'g' } }
    const paths = (...entries: object[]) => [...planned(hub(grouped, entries)).fabrics.get('a')!.paths.keys()]
    expect(paths({ from: '*', to: '*', delay: '1ms' })).to.have.members(['x>y', 'x>z', 'y>x', 'z>x'])
    expect(paths({ from: 'y', to: '*' })).to.deep.equal(['y>x'])
    expect(paths({ between: ['y', 'z'] })).to.have.members(['y>z', 'z>y'])
    expect(paths({ from: 'y', to: ['z'] })).to.deep.equal(['y>z'])
  })

  it('exports a timeline', () => {
    const topology = hub(three, [], { timeline: [{ port: 'x', flap: { every: '1s', for: '1ms' } }] })
    const again = planned(topologyOf(planned(topology)))
    expect(again.fabrics.get('a')?.timeline).to.deep.equal([{ port: 'x', flap: { every: '1s', for: '1ms' } }])
  })
})
