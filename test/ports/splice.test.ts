/** SplicePort: two of them put a wire into the middle of a link that exists, under traffic, and take it out again. */
import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { SplicePort, Wire, type EtherloomError } from '../../lib/index.js'
import { rejection } from '../helpers/errors.js'
import { closing } from '../helpers/fabric.js'
import { describeUnless, eventually, lacksNetwork, lacksProgram } from '../helpers/kernel.js'
import { cable, Host, processesIn, transfer } from '../helpers/network.js'

/** A splice whose TAP is gone. */
const leftOver = `
  ip tuntap add splice0 mode tap && ip link set splice0 up && tc qdisc add dev eth0 clsact &&
  tc filter add dev eth0 egress pref 60729 protocol all u32 match u32 0 0 action mirred egress redirect dev splice0 &&
  ip link delete splice0`

describeUnless(lacksNetwork() ?? lacksProgram('tc'), 'SplicePort', function () {
  this.timeout(60_000)
  const close = closing()

  /** Two hosts with a cable between them: eth0 of the first and lan0 of the second. */
  async function cabled(): Promise<[Host, Host]> {
    const left = close(await Host.create(1))
    const right = close(await Host.create(2))
    await cable(left, right, 'lan0')
    await right.ip('address', 'add', `${right.address}/24`, 'dev', 'lan0')
    return [left, right]
  }

  async function splice(left: Host, right: Host): Promise<Wire> {
    const wire = close(new Wire())
    await wire.attach(new SplicePort({ name: 'left', interface: 'eth0', namespace: left.namespace }))
    await wire.attach(new SplicePort({ name: 'right', interface: 'lan0', namespace: right.namespace }))
    return wire
  }

  /** What the kernel says of the interface, without counters. */
  const facts = async (host: Host, name: string): Promise<unknown> => ({
    link: { ...(await host.link(name)), stats64: undefined },
    routes: await host.ip('route'),
    filters: await host.run('tc', 'filter', 'show', 'dev', name, 'egress'),
    disciplines: await host.run('tc', 'qdisc', 'show', 'dev', name),
  })

  it('delays what crosses, each way by its own path, and leaves the interfaces as they are', async () => {
    const [left, right] = await cabled()
    const before = [await facts(left, 'eth0'), await facts(right, 'lan0')]
    const wire = await splice(left, right)
    await wire.apply([
      { from: 'left', to: 'right', policy: { allowed: true, delay: '30ms' } },
      { from: 'right', to: 'left', policy: { allowed: true, delay: '10ms' } },
    ])
    const { received, shortest } = await left.ping(right, 3, 0.05)
    expect(received).to.equal(3)
    expect(shortest).to.be.at.least(40)
    const during = await left.link('eth0')
    expect(during?.addr_info.map(({ local }) => local)).to.include(left.address)
    await transfer(left, right, 1_000_000)
    await wire.close()
    expect([await facts(left, 'eth0'), await facts(right, 'lan0')]).to.deep.equal(before)
    const after = await left.ping(right, 3, 0.05)
    expect(after.received).to.equal(3)
    expect(await left.link('splice0')).to.be.undefined
    expect((await processesIn(left)).map(({ name }) => name)).to.be.empty
  })

  it('sends nothing of its own into the link', async () => {
    const [left, right] = await cabled()
    const sniffer = await right.sniff('lan0')
    const wire = await splice(left, right)
    await left.ping(right, 1, 0.1)
    const frames: Buffer[] = []
    for (let frame = await sniffer.next(); ; frame = await sniffer.next()) {
      frames.push(frame.bytes)
      if (frame.bytes.readUInt16BE(12) === 0x0800) break
    }
    expect(frames.map((bytes) => bytes.readUInt16BE(12))).to.not.include(0x86dd)
    await wire.close()
  })

  it('comes and goes while a connection carries data, which arrives whole', async () => {
    const [left, right] = await cabled()
    const carrying = transfer(left, right, 50_000_000)
    for (let round = 0; round < 3; round++) {
      const wire = await splice(left, right)
      await wire.close()
    }
    await carrying
  })

  it('puts the link back when its process is killed', async () => {
    const [left, right] = await cabled()
    const program = [
      "import { SplicePort, Wire } from './lib/index.ts'",
      'const wire = new Wire()',
      `await wire.attach(new SplicePort({ name: 'left', interface: 'eth0', namespace: '${left.namespace.path}' }))`,
      `await wire.attach(new SplicePort({ name: 'right', interface: 'lan0', namespace: '${right.namespace.path}' }))`,
      "await wire.apply([{ from: 'left', to: 'right', policy: { allowed: true, loss: 1 } }])",
      "console.log('spliced')",
      'setInterval(() => undefined, 1e9)',
    ].join('\n')
    const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    close({ close: () => void child.kill('SIGKILL') })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    expect((await left.ping(right, 1, 0.1, { patience: 0.3 })).received).to.equal(0)
    child.kill('SIGKILL')
    await eventually('the link is back', async () => {
      const { received } = await left.ping(right, 1, 0.1, { patience: 0.3 })
      return received === 1 || undefined
    })
    expect(await left.run('tc', 'qdisc', 'show', 'dev', 'eth0')).to.not.include('clsact')
  })

  it('is put right by the next splice where its process was killed together with what would have undone it', async () => {
    const [left, right] = await cabled()
    await left.run('sh', '-c', leftOver)
    expect((await left.ping(right, 1, 0.1, { patience: 0.3 })).received).to.equal(0)
    const wire = await splice(left, right)
    expect((await left.ping(right, 1, 0.1)).received).to.equal(1)
    await wire.close()
    expect((await left.ping(right, 1, 0.1)).received).to.equal(1)
  })

  it('goes down with its interface, and up when that returns', async () => {
    const [left, right] = await cabled()
    const wire = await splice(left, right)
    const port = wire.port('left')
    const down = once(port, 'down')
    await left.ip('link', 'delete', 'eth0')
    await down
    const up = once(port, 'up')
    await cable(left, right, 'lan0')
    await up
    await right.ip('address', 'add', `${right.address}/24`, 'dev', 'lan0')
    await eventually('it goes through the wire again', async () => {
      const { received } = await left.ping(right, 1, 0.1, { patience: 0.3 })
      return received === 1 || undefined
    })
    expect(port.stats().received.frames > 0n, 'frames through the splice').to.be.true
  })

  it('says which interface there is not, and touches nothing', async () => {
    const [left] = await cabled()
    const wire = close(new Wire())
    const error = (await rejection(
      wire.attach(new SplicePort({ name: 'left', interface: 'eth9', namespace: left.namespace })),
    )) as EtherloomError
    expect(error.code).to.equal('ERR_ETHERLOOM_NAME')
    expect(error.message).to.include("there is no interface 'eth9' to splice")
    expect(await left.link('splice0')).to.be.undefined
  })

  it('refuses an interface that is spliced already, and leaves the splice as it is', async () => {
    const [left, right] = await cabled()
    await splice(left, right)
    const other = close(new Wire())
    const error = (await rejection(
      other.attach(new SplicePort({ name: 'again', interface: 'eth0', namespace: left.namespace })),
    )) as EtherloomError
    expect(error.message).to.match(/cannot splice 'eth0': it is spliced already: its frames go to splice\d/)
    expect((await left.ping(right, 1, 0.1)).received).to.equal(1)
  })
})
