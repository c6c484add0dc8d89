/** A scenario of MiniWorld's backend 'vde' whose machines are programs of VDE: what colours and VLANs kept apart there stays apart. */
import { expect } from 'chai'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { Hub, Network, type MemoryPort } from '../../lib/index.js'
import { importFiles } from '../../lib/topology/import/index.js'
import type { Topology } from '../../lib/topology/schema.js'
import { closing, join, receive } from '../helpers/fabric.js'
import { frame } from '../helpers/frames.js'
import { Child, describeUnless, eventually, lacksProgram } from '../helpers/kernel.js'

const scenario = {
  cnt_nodes: 3,
  walk_model: { name: 'core' },
  network: {
    backend: { name: 'vde' },
    links: { interfaces: ['mesh', 'ap'] },
    core: { topologies: [[0, 'topologies/chain5.xml']], mode: 'lan' },
  },
}

describeUnless(lacksProgram('vde_plug', 'dpipe'), "a scenario of MiniWorld's backend 'vde'", function () {
  this.timeout(120_000)
  const closes = closing()

  it('carries frames of a machine to those that it is linked with, of its class, and no further', async () => {
    const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-miniworld-vde-'))
    closes({
      close: () => {
        rmSync(folder, { recursive: true, force: true })
      },
    })
    mkdirSync(joinPath(folder, 'near'))
    const file = { file: 'examples/miniworld/vde.json', text: JSON.stringify(scenario) }
    const { topology, problems, notes } = await importFiles('miniworld', [file], { machines: 'vde' })
    expect(problems).to.deep.equal([])
    expect(notes.map(({ message }) => message).join('\n')).to.include("the links are those of 'vde'")
    const text = JSON.stringify(topology)
    expect(text).to.include('"/tmp/MiniWorld/vde_switch_1_2_1"')
    const network = closes(
      await Network.up(JSON.parse(text.replaceAll('/tmp/MiniWorld', folder)) as Topology),
    )
    await network.step()

    /** What a machine sends and hears by its interface of a class: two programs of VDE are the cable. */
    const machine = async (node: number, nicClass: number): Promise<MemoryPort> => {
      const name = `vde_switch_${node}_${nicClass}_1`
      const hub = closes(new Hub({ engine: { memory: '16MiB' } }))
      const [port] = await join(hub, 'machine')
      const server = await hub.listen({ protocol: 'vde', directory: joinPath(folder, 'near', name) })
      const came = once(server, 'connect')
      const [near, far] = [`vde://${server.directory}`, `vde://${joinPath(folder, name)}[2]`]
      closes(new Child(['dpipe', 'vde_plug', near, '=', 'vde_plug', far]))
      await came
      return port
    }
    const [ap, mesh] = [1, 2]
    const meshes = [await machine(1, mesh), await machine(2, mesh), await machine(3, mesh)] as const
    const aps = [await machine(1, ap), await machine(2, ap)] as const
    const early = 999
    const first = async (port: MemoryPort): Promise<number> => {
      for (;;) for (const { tag } of await receive(port, 1)) if (tag !== early) return tag
    }
    for (const [from, to] of [
      [meshes[0], meshes[1]],
      [meshes[1], meshes[0]],
      [meshes[1], meshes[2]],
      [meshes[2], meshes[1]],
      [aps[0], aps[1]],
    ] as const)
      await eventually('frames pass', async () => {
        from.send(frame({ tag: early }))
        await new Promise((resolve) => setImmediate(resolve))
        return to.read() !== undefined
      })

    meshes[0].send(frame({ tag: 1 }))
    expect(await first(meshes[1])).to.equal(1)
    meshes[1].send(frame({ tag: 2 }))
    expect(await first(meshes[2]), 'from wire to wire nothing passes').to.equal(2)
    expect(await first(meshes[0])).to.equal(2)
    aps[0].send(frame({ tag: 3 }))
    expect(await first(aps[1]), 'a class does not hear another').to.equal(3)
  })
})
