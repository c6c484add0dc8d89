/** Memory that is short: who asks for it is told what to do, or dies alone; who has his goes on. */
import { expect } from 'chai'
import { once } from 'node:events'
import { mkdtempSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { Hub, type SocketPort } from '../../lib/index.js'
import { closing, join, receive } from '../helpers/fabric.js'
import { frame, numbered } from '../helpers/frames.js'
import {
  Child,
  describeUnless,
  eventually,
  lacksProgram,
  lacksWithSanitizer,
  testFile,
} from '../helpers/kernel.js'

const program = [process.execPath, '--import=tsx', testFile('fabric/programs/scarce.ts')]

const sanitized = lacksWithSanitizer('the sanitizer itself needs more than there would be')

describeUnless(lacksProgram('prlimit') ?? sanitized, 'where address space is short', function () {
  this.timeout(120_000)
  const close = closing()

  it('engines and captures say what to do, smaller ones can be had, and those that are there lose nothing', async () => {
    const child = close(new Child([...program, 'space']))
    const { memory, workers, capture, ...rest } = JSON.parse(await child.line()) as Record<string, string>
    expect(rest).to.deep.equal({ sizes: ['ERR_ETHERLOOM_RESOURCE', 'ok'], modest: 'ok', others: true })
    for (const message of [memory, capture])
      expect(message).to.match(
        /^ERR_ETHERLOOM_RESOURCE: .*\(ENOMEM\); give the engine less memory, or the process more$/,
      )
    expect(workers).to.match(
      /^ERR_ETHERLOOM_RESOURCE: .*\((ENOMEM|EAGAIN)\); .*more memory|or the process more/,
    )
  })
})

describeUnless(lacksProgram('prlimit'), 'where little memory may be locked', function () {
  this.timeout(60_000)
  const close = closing()
  // Who may lock memory all the same is not asked for the limit.
  const mortal =
    process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-ipc_lock', '--inh-caps=-ipc_lock'] : []

  // Newer kernels, as Linux 6.18, count the rings, some 140 KB of each worker; older ones do not.
  for (const [what, bytes] of [
    ['none', 0],
    ['enough for one worker', 200_000],
  ] as const)
    it(`(${what}) engines of two workers have io_uring, or are told what to do, and then have epoll, all of them`, async () => {
      const child = close(
        new Child([...mortal, 'prlimit', `--memlock=${bytes}:${bytes}`, ...program, 'locked']),
      )
      const found = JSON.parse(await child.line()) as Record<string, string>
      const works = found.io_uring === 'ok'
      const best = works ? 'io_uring, 2 rings' : 'epoll, 0 rings'
      expect(found).to.deep.equal({
        auto: 'ok',
        'auto is': best,
        io_uring: found.io_uring,
        ...(works && { 'io_uring is': best }),
        epoll: 'ok',
        'epoll is': 'epoll, 0 rings',
      })
      if (!works)
        expect(found.io_uring).to.match(
          /^ERR_ETHERLOOM_(RESOURCE: .*io_uring.*\(ENOMEM\); let the process lock more memory \('ulimit -l'\)|UNSUPPORTED: .*io_uring)/,
        )
    })
})

/** The root of the memory controller, and what its files are called; or why no group can be made there. */
function memoryGroups(): { root: string; limits: string[] } | string {
  const [v1, v2] = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup']
  try {
    const probe = joinPath(v1, `etherloom-probe-${process.pid}`)
    mkdirSync(probe)
    rmdirSync(probe)
    return { root: v1, limits: ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'] }
  } catch {
    // No version 1, or none that we may change.
  }
  try {
    if (!/\bmemory\b/.test(readFileSync(joinPath(v2, 'cgroup.subtree_control'), 'utf8')))
      return 'no memory controller for groups below the root'
    const probe = joinPath(v2, `etherloom-probe-${process.pid}`)
    mkdirSync(probe)
    rmdirSync(probe)
    return { root: v2, limits: ['memory.max', 'memory.swap.max'] }
  } catch {
    return 'no cgroup that we may change'
  }
}
const groups = memoryGroups()

describeUnless(typeof groups === 'string' ? groups : sanitized, 'in a memory cgroup', function () {
  this.timeout(120_000)
  const close = closing()
  const { root, limits } = groups as Exclude<typeof groups, string>
  const limit = 400 << 20

  /** A process whose memory is limited, at our trunk; the hub that it is a peer of has a pair of innocent ports. */
  async function scene(memory: string) {
    const folder = mkdtempSync(joinPath(tmpdir(), 'etherloom-scarce-'))
    close({ close: () => rmSync(folder, { recursive: true }) })
    const group = joinPath(root, `etherloom-test-${process.pid}`)
    mkdirSync(group)
    close({
      close: async () => {
        await eventually('nobody is in the group', () => {
          try {
            rmdirSync(group)
            return true
          } catch {
            return false
          }
        })
      },
    })
    for (const [index, name] of limits.entries())
      try {
        writeFileSync(joinPath(group, name), name === 'memory.swap.max' ? '0' : `${limit}`)
      } catch (error) {
        if (index === 0) throw error // a kernel without swap has no second one
      }
    const hub = close(new Hub())
    const [here] = await join(hub, 'here')
    const pair = close(new Hub({ engine: hub.engine }))
    const [a, b] = await join(pair, 'a', 'b')
    const socket = joinPath(folder, 'trunk.sock')
    const server = await hub.listen({ socket })
    const connected = once(server, 'connect')
    const enter = ['sh', '-ec', `echo $$ > ${group}/cgroup.procs; exec "$@"`, 'sh']
    const child = close(new Child([...enter, ...program, 'held', memory, socket]))
    expect(JSON.parse(await child.line())).to.deep.equal({})
    await connected
    const exchange = async (): Promise<void> => {
      a.send(numbered(100))
      expect(await receive(b, 100)).to.have.length(100)
    }
    return { child, server, here, exchange }
  }

  it('an engine whose memory fits drops what it cannot hold, and its process goes on', async () => {
    const { child, here, exchange } = await scene('64MiB')
    const { reasons } = JSON.parse(await child.line()) as { reasons: string[] }
    expect(reasons).to.deep.equal(['no-buffer'])
    here.send(frame({ tag: 5 }))
    expect((await receive(here, 1))[0]!.tag).to.equal(5)
    await exchange()
  })

  it('one whose memory does not fit is killed by the kernel, it alone; its peers hear that it has gone', async () => {
    const { child, server, exchange } = await scene('4GiB')
    const gone = once(server, 'disconnect')
    const state = { over: false }
    void gone.then(() => (state.over = true))
    while (!state.over) await exchange()
    const [port, error] = (await gone) as [SocketPort, Error]
    expect(error.message).to.equal(`the peer of port '${port.name}' at ${server.socket} has gone`)
    expect(await child.rest().catch((reason: unknown) => (reason as Error).message)).to.contain('SIGKILL')
    await exchange()
  })
})
