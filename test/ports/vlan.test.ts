/** VLANs and split-horizon groups on real TAPs: kernel stacks that meet their own and nobody else, super-frames too. */
import { expect } from 'chai'
import { Hub, PatchPort, Switch, TapPort, type AttachOptions, type Fabric } from '../../lib/index.js'
import { closing, dropped } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { describeOnDevices } from '../helpers/kernel.js'
import { Host, soon, transfer } from '../helpers/network.js'

describeOnDevices('on TAPs', function () {
  this.timeout(120_000)
  const close = closing()

  /** A host with a TAP on the fabric. */
  const enter = async (fabric: Fabric, number: number, options: AttachOptions = {}): Promise<Host> => {
    const host = close(await Host.create(number))
    await fabric.attach(host.tap({ name: `host${fabric.ports.size}` }), options)
    return host
  }
  const access = (vlan: number): AttachOptions => ({ vlan: { access: vlan } })
  const answers = async (from: Host, to: Host): Promise<boolean> => {
    const { received, duplicates } = await from.ping(to, 2, 0.002)
    return received === 2 && duplicates === 0
  }
  const refuses = async (from: Host, to: Host): Promise<boolean> =>
    (await from.ping(to, 2, 0.002, soon)).received === 0

  for (const Kind of [Hub, Switch])
    it(`wires of one group on a ${Kind.name.toLowerCase()} reach the machine, and never each other (S15)`, async () => {
      const fabric = close(new Kind())
      const vm = await enter(fabric, 1)
      const wires = []
      for (const number of [2, 3, 4]) wires.push(await enter(fabric, number, { group: 'wires' }))
      for (const wire of wires) {
        expect(await answers(vm, wire)).to.equal(true)
        expect(await answers(wire, vm)).to.equal(true)
        for (const other of wires) if (other !== wire) expect(await refuses(wire, other)).to.equal(true)
      }
    })

  it('ports of one class never see frames of another (S15)', async () => {
    const bridge = close(new Switch())
    const [one, other] = [await enter(bridge, 1, access(1)), await enter(bridge, 2, access(1))]
    const apart = await enter(bridge, 3, access(2))
    const witness = await apart.sniff()
    expect(await answers(one, other)).to.equal(true)
    expect(await refuses(one, apart)).to.equal(true)
    for (const vlan of [1, 2]) (await one.sniff()).send(frame({ vlan, tag: 9 }))
    const last = frame({ tag: 1 })
    const peer = await enter(bridge, 4, access(2))
    ;(await peer.sniff()).send(last)
    const seen = (await witness.upTo(last)).filter(({ direction }) => direction === 'in')
    expect(seen.map(({ bytes }) => bytes)).to.deep.equal([Buffer.from(last)])
  })

  it('a trunk has the tags, and takes those of its VLANs', async () => {
    const bridge = close(new Switch())
    const left = await enter(bridge, 1, access(10))
    const trunk = await enter(bridge, 2, { vlan: { trunk: [10] } })
    const [fromLeft, onTrunk] = [await left.sniff(), await trunk.sniff()]
    fromLeft.send(frame({ tag: 1 }))
    expect((await onTrunk.next()).bytes).to.deep.equal(Buffer.from(frame({ tag: 1, vlan: 10, length: 64 })))
    for (const vlan of [20, undefined, 10])
      onTrunk.send(frame({ tag: 2, length: 64, ...(vlan !== undefined && { vlan }) }))
    const last = Buffer.from(frame({ tag: 2, length: 60 }))
    const got = (await fromLeft.upTo(last)).filter(({ direction }) => direction === 'in')
    expect(got).to.have.length(1)
    expect(dropped(bridge.port('host1').stats().dropped)).to.deep.equal({ vlan: 2 })
  })

  it('a source with the group bit is forwarded and not learned (S16)', async () => {
    const bridge = close(new Switch())
    const hosts = [await enter(bridge, 1), await enter(bridge, 2), await enter(bridge, 3)] as const
    const [sender, ...witnesses] = await Promise.all(hosts.map((host) => host.sniff()))
    const before = bridge.addresses()
    const frames = [
      frame({ from: '01:01:00:00:00:01', tag: 1 }),
      frame({ from: '01:01:00:00:00:01', to: hosts[1].mac, tag: 2 }),
    ]
    for (const each of frames) sender!.send(each)
    for (const witness of witnesses)
      expect((await witness.upTo(frames[1]!)).map(({ bytes }) => bytes)).to.deep.equal(
        frames.map((each) => Buffer.from(each)),
      )
    expect(bridge.addresses()).to.deep.equal(before)
  })

  for (const joint of ['a patch', "a kernel's bridge"])
    it(`two VLANs with the same addresses carry TCP over one trunk, ${joint}`, async () => {
      const near = close(new Switch())
      const far = close(new Switch({ engine: near.engine }))
      const trunk: AttachOptions = { vlan: { trunk: [10, 20] } }
      if (joint === 'a patch') {
        const [one, other] = PatchPort.pair()
        await near.attach(one, trunk)
        await far.attach(other, trunk)
      } else {
        // Its TAPs take tagged super-frames from us and hand them back, as other machines would.
        const middle = close(await Host.create(9))
        const { namespace } = middle
        await near.attach(new TapPort({ name: 'near', namespace }), trunk)
        await far.attach(new TapPort({ name: 'far', namespace }), trunk)
        await middle.ip('link', 'add', 'bridge', 'type', 'bridge')
        for (const name of ['near', 'far']) await middle.ip('link', 'set', name, 'master', 'bridge')
        await middle.ip('link', 'set', 'bridge', 'up')
      }
      for (const vlan of [10, 20]) {
        const left = await enter(near, 1, access(vlan))
        const right = await enter(far, 2, access(vlan))
        expect(await answers(left, right)).to.equal(true)
        await transfer(left, right, 20_000_000)
        await transfer(right, left, 20_000_000)
      }
      expect(
        near
          .addresses()
          .filter(({ address }) => address.endsWith(':01'))
          .map(({ vlan }) => vlan),
      ).to.deep.equal([10, 20])
    })
})
