/** What runs already gets ports: containers, processes and namespaces as hosts, by `attach`, and links between them by `splice`. */
import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Network } from '../../lib/index.js'
import { rejection } from '../helpers/errors.js'
import { closing } from '../helpers/fabric.js'
import { Child, describeUnless, eventually, lacksNetwork, lacksProgram, testFile } from '../helpers/kernel.js'
import { Docker, lacksDocker } from '../helpers/docker.js'
import { Host } from '../helpers/network.js'

describeUnless(lacksNetwork(), 'Hosts that exist already', function () {
  this.timeout(60_000)
  const close = closing()

  it('are entered by process or namespace, and left as they were', async () => {
    const one = close(await Host.create(1))
    const other = close(await Host.create(2))
    const sleeper = spawn('nsenter', [`--net=${one.namespace.path}`, 'sleep', '1000'], { stdio: 'ignore' })
    close({ close: () => void sleeper.kill('SIGKILL') })
    const before = await one.run('sysctl', '-n', 'net.ipv4.ip_forward')
    const inNamespace = await eventually('it is there', async () => {
      const { namespace } = one
      return (
        (await one.run('readlink', `/proc/${sleeper.pid}/ns/net`)) ===
          (await one.run('readlink', namespace.path)) || undefined
      )
    })
    expect(inNamespace).to.be.true
    const network = close(
      await Network.up({
        hosts: {
          one: { pid: sleeper.pid as number, addresses: ['10.0.0.1/24'], forwarding: { ipv4: true } },
          other: { netns: other.namespace.path, addresses: ['10.0.0.2/24'] },
        },
        fabrics: { lab: { kind: 'hub', ports: { one: { host: 'one' }, other: { host: 'other' } } } },
      }),
    )
    expect((await one.ping('10.0.0.2', 2, 0.05)).received).to.equal(2)
    expect((await one.link('loom0'))?.addr_info.map(({ local }) => local)).to.include('10.0.0.1')
    await network.close()
    expect(await one.link('loom0')).to.be.undefined
    expect(await one.run('sysctl', '-n', 'net.ipv4.ip_forward')).to.equal(before)
    expect(sleeper.exitCode, 'the process').to.be.null
  })

  it('are other hosts where they are other places', async () => {
    const [one, other] = [close(await Host.create(1)), close(await Host.create(2))]
    const lab = (netns: string) => ({
      hosts: { red: { netns, addresses: ['10.0.0.7/24'] } },
      fabrics: { lab: { kind: 'hub' as const, ports: { red: { host: 'red' } } } },
    })
    const network = close(await Network.up(lab(one.namespace.path)))
    expect(await one.link('loom0')).to.not.be.undefined
    await network.apply(lab(other.namespace.path))
    expect(await one.link('loom0')).to.be.undefined
    expect((await other.link('loom0'))?.addr_info.map(({ local }) => local)).to.include('10.0.0.7')
  })

  it('keep their own routes', async () => {
    const one = close(await Host.create(1))
    await one.ip('link', 'add', 'own0', 'type', 'bridge')
    await one.ip('address', 'add', '10.1.0.1/24', 'dev', 'own0')
    await one.ip('link', 'set', 'own0', 'up')
    await one.ip('route', 'add', 'default', 'via', '10.1.0.254')
    const before = await one.ip('route')
    const lab = (metric?: number) => ({
      hosts: {
        one: {
          netns: one.namespace.path,
          addresses: ['10.0.0.1/24'],
          routes: [{ to: 'default', via: '10.0.0.254', ...(metric !== undefined && { metric }) }],
        },
      },
      fabrics: { lab: { kind: 'hub' as const, ports: { one: { host: 'one' } } } },
    })
    const error = (await rejection(Network.up(lab()))) as Error
    expect(error.message).to.match(/host 'one': the route to default .*it has such a route already.*'metric'/)
    expect(await one.ip('route')).to.deep.equal(before)
    const network = close(await Network.up(lab(50)))
    expect(await one.run('ip', 'route')).to.match(/default via 10.0.0.254 dev loom0 .*metric 50/)
    await network.close()
    expect(await one.ip('route')).to.deep.equal(before)
  })

  it('are refused with a sentence where they are not there, or two at once', async () => {
    const lab = (red: object) => ({ hosts: { red }, fabrics: { lab: { kind: 'hub' as const, ports: {} } } })
    const said = async (red: object): Promise<string> =>
      ((await rejection(Network.up(lab(red)))) as Error).message
    expect(await said({ pid: 4_194_300 })).to.include("host 'red': no process 4194300")
    expect(await said({ netns: 'no-such' })).to.match(/host 'red': .*no-such/)
    expect(await said({ netns: 'a', pid: 1 })).to.match(
      /a host is one place, and '(netns|pid)' says already which/,
    )
  })
})

describeUnless(lacksNetwork() ?? lacksDocker() ?? lacksProgram('tc'), 'Containers of Docker', function () {
  this.timeout(120_000)
  const close = closing()
  let docker: Docker
  const { DOCKER_HOST } = process.env

  before(async () => {
    docker = await Docker.start()
    process.env.DOCKER_HOST = docker.host
    for (const name of ['web', 'db']) docker.container(name, '--label', `clab-node-name=node-${name}`)
  })
  after(async () => {
    if (DOCKER_HOST === undefined) delete process.env.DOCKER_HOST
    else process.env.DOCKER_HOST = DOCKER_HOST
    await docker.close()
  })

  /** The command line, with control sockets of its own. */
  const folder = (): string => {
    const scratch = mkdtempSync(join(tmpdir(), 'el-containers-'))
    close({ close: () => rmSync(scratch, { recursive: true, force: true }) })
    return scratch
  }
  const etherloom = (scratch: string, ...words: string[]): Child => {
    const child = new Child([
      ...['env', `ETHERLOOM_CONTROL_DIRECTORY=${scratch}`, process.execPath, '--import=tsx'],
      ...[testFile('../bin/etherloom.ts'), ...words],
    ])
    close(child)
    return child
  }

  it('are hosts of a topology, also after they have started again', async () => {
    const network = close(
      await Network.up({
        hosts: {
          web: { docker: 'web', addresses: ['10.5.0.1/24'] },
          db: { docker: 'node-db', addresses: ['10.5.0.2/24'] },
        },
        fabrics: {
          lab: {
            kind: 'hub',
            ports: { web: { host: 'web' }, db: { host: 'db' } },
            paths: [{ between: ['web', 'db'], delay: '20ms' }],
          },
        },
      }),
    )
    const { received, shortest } = docker.ping('web', '10.5.0.2')
    expect(received).to.equal(3)
    expect(shortest).to.be.at.least(40)
    docker.run('restart', '--time=0', 'db')
    await eventually(
      'db has its interface and its delay again',
      () => docker.ping('db', '10.5.0.1', 1).shortest >= 40 || undefined,
    )
    await network.close()
    expect(docker.run('exec', 'web', 'ip', 'link')).to.not.include('loom0')
  })

  it('that are not there, or do not run, are said', async () => {
    docker.run('create', '--name=still', 'small', '/bin/sleep', '1')
    const said = async (name: string): Promise<string> => {
      const lab = { hosts: { red: { docker: name } }, fabrics: {} }
      return ((await rejection(Network.up(lab))) as Error).message
    }
    expect(await said('wob')).to.include("no container 'wob'; did you mean 'web'?")
    expect(await said('still')).to.include("the container 'still' does not run; start it: docker start still")
  })

  it('get a port of a running instance by attach, and lose it by detach', async () => {
    const scratch = folder()
    const file = join(scratch, 'lab.yaml')
    writeFileSync(
      file,
      'hosts: { red: { addresses: [10.6.0.1/24] } }\nfabrics: { lab: { kind: hub, ports: { red: { host: red } } } }\n',
    )
    const up = etherloom(scratch, 'up', file)
    expect(await up.line()).to.include('up with 1 port')
    const attached = etherloom(
      scratch,
      ...['attach', '--docker', 'web', '--address', '10.6.0.7/24', '--gateway', '10.6.0.1'],
    )
    expect(await attached.rest()).to.equal('lab.web: attached')
    expect(docker.ping('web', '10.6.0.1').received).to.equal(3)
    await etherloom(scratch, 'path', 'red', 'web', 'delay=30ms', '--both').rest()
    expect(docker.ping('web', '10.6.0.1').shortest).to.be.at.least(60)
    expect(String(await rejection(etherloom(scratch, 'detach', 'red').rest()))).to.include(
      "nothing was attached as 'red'",
    )
    expect(await etherloom(scratch, 'detach', 'web').rest()).to.equal('web: detached')
    expect(docker.run('exec', 'web', 'ip', 'link')).to.not.include('loom0')
  })

  it('get a bad line into the link between them, which is the old one again afterwards', async () => {
    const scratch = folder()
    const host = close(await Host.create(1))
    const ends = ['web', 'db'].map((name, index) => ({
      name,
      pid: docker.pid(name),
      address: `10.8.0.${index + 1}/24`,
    }))
    await host.run('ip', 'link', 'add', 'vw', 'type', 'veth', 'peer', 'name', 'vd')
    for (const [index, { pid, address }] of ends.entries()) {
      await host.run('ip', 'link', 'set', ['vw', 'vd'][index] as string, 'netns', `${pid}`, 'name', 'eth1')
      const inside = ['nsenter', `--net=/proc/${pid}/ns/net`, 'ip']
      await host.run(...inside, 'address', 'add', address, 'dev', 'eth1')
      await host.run(...inside, 'link', 'set', 'eth1', 'up')
    }
    expect(docker.ping('web', '10.8.0.2').received).to.equal(3)
    const splice = etherloom(scratch, 'splice', '--docker', 'web:eth1', 'db:eth1', '-o', 'delay 20ms')
    expect(await splice.line()).to.include('up with 2 ports')
    expect(docker.ping('web', '10.8.0.2').shortest).to.be.at.least(40)
    await etherloom(scratch, 'path', 'web', 'db', 'delay=60ms').rest()
    expect(docker.ping('web', '10.8.0.2').shortest).to.be.at.least(80)
    splice.signal('SIGINT')
    await splice.rest()
    const { received, shortest } = docker.ping('web', '10.8.0.2')
    expect(received).to.equal(3)
    expect(shortest).to.be.below(20)
    const refused = etherloom(scratch, 'splice', 'web:eth1', 'db:lo')
    expect(String(await rejection(refused.rest()))).to.include(
      "'web:eth1' and 'db:lo' are not the two ends of one link",
    )
  })
})
