/** `etherloom up` with hosts: what is said of a file that cannot be, or that changes while the instance runs. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'chai'
import { describeOnDevices } from '../helpers/kernel.js'

const command = ['--import=tsx', 'bin/etherloom.ts']

const lab = ({
  via = '10.0.0.254',
  sysctl = 'tcp_ecn: 1',
  dns = '',
  red = '10.0.0.1',
  more = '',
} = {}) => `name: lab
fabrics:
  core:
    kind: switch
    ports:
      red: { host: red, addresses: [${red}/24] }
      green: { host: green, addresses: [10.0.0.2/24] }
hosts:
  red:
    routes:
      - { to: default, via: ${via} }${dns}
  green:
    sysctls:
      net.ipv4.${sysctl}${more}
`

describeOnDevices('up with hosts', function () {
  this.timeout(60_000)
  let directory: string
  let environment: NodeJS.ProcessEnv
  let file: string
  const running: ChildProcess[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'etherloom-watched-'))
    environment = { ...process.env, ETHERLOOM_CONTROL_DIRECTORY: join(directory, 'run') }
    file = join(directory, 'lab.yaml')
    writeFileSync(file, lab())
  })
  afterEach(async () => {
    for (const child of running.splice(0)) {
      const ended = child.exitCode !== null || child.signalCode !== null
      const exit = ended ? undefined : once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    }
    rmSync(directory, { recursive: true })
  })

  const etherloom = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...command, ...words], {
      env: environment,
      encoding: 'utf8',
      timeout: 30_000,
    })
    return { status, stdout, stderr: stderr.replaceAll(`${directory}/`, '') }
  }

  /** Starts it with `--watch`; `next` hands over its output line by line. */
  function watching(...words: string[]) {
    const child = spawn(process.execPath, [...command, 'up', '--watch', ...words, file], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    running.push(child)
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    return async (): Promise<string> => {
      const line = await lines.next()
      if (line.done === true) throw new Error('it has said all')
      return line.value.replaceAll(`${directory}/`, '')
    }
  }
  const replace = (text: string): void => {
    writeFileSync(`${file}~`, text)
    renameSync(`${file}~`, file)
  }

  it('says the line of a route and of a setting that the kernel refuses', () => {
    writeFileSync(file, lab({ via: '10.9.0.254' }))
    expect(etherloom('up', file)).to.deep.equal({
      status: 1,
      stdout: '',
      stderr:
        "lab.yaml:11:9: host 'red': the route to default via 10.9.0.254: cannot add a route to 0.0.0.0/0 via 10.9.0.254/32: Nexthop has invalid gateway: network is unreachable (ENETUNREACH)\n",
    })
    writeFileSync(file, lab({ sysctl: 'tcp_ecm: 1' }))
    expect(etherloom('up', file).stderr).to.match(
      /^lab\.yaml:14:7: host 'green': sysctl net\.ipv4\.tcp_ecm: this kernel has no such setting/,
    )
    writeFileSync(file, lab({ sysctl: 'tcp_ecn: 77' }))
    expect(etherloom('up', file)).to.include({
      status: 1,
      stderr: "lab.yaml:14:7: host 'green': sysctl net.ipv4.tcp_ecn: the kernel takes no '77' here\n",
    })
  })

  it('says the line also of a change that is refused, to who applies it and to who watches', async () => {
    const next = watching()
    await next()
    replace(lab({ sysctl: 'tcp_ecn: 77' }))
    expect(await next()).to.equal('lab.yaml cannot be taken over; everything stays as it is')
    const refused = "lab.yaml:14:7: host 'green': sysctl net.ipv4.tcp_ecn: the kernel takes no '77' here"
    expect(await next()).to.equal(refused)
    expect(etherloom('up', file)).to.deep.equal({ status: 1, stdout: '', stderr: `${refused}\n` })
  })

  it('says what a change that is refused has begun, and what brought it back', async () => {
    writeFileSync(file, lab({ dns: '\n    run: sleep 1000' }))
    const next = watching()
    await next()
    replace(lab({ dns: '\n    run: sleep 1001', sysctl: 'tcp_ecn: 77' }))
    expect(await next()).to.equal('red: ended by SIGTERM')
    expect(await next()).to.equal('lab.yaml cannot be taken over; what was there before is back by run red')
  })

  it('leaves a sealed instance as it is, and says that it is sealed', async () => {
    chmodSync(directory, 0o755) // root becomes nobody, who reads the file
    const next = watching('--sealed')
    await next()
    const sealed = /rights that were given up; the instance is sealed \(up --sealed\): it keeps what it had/
    for (const [changed, line] of [
      [lab({ sysctl: 'tcp_ecn: 0' }), /^lab\.yaml:12:3: configure host green: /],
      [lab({ red: '10.0.0.9' }), /^lab\.yaml:6:7: attach port core\.red: /],
    ] as const) {
      replace(changed)
      expect(await next()).to.equal('lab.yaml cannot be taken over; everything stays as it is')
      const why = await next()
      expect(why).to.match(line).and.match(sealed)
      expect(etherloom('show', 'ports', '--json').stdout.trim().split('\n')).to.have.lengthOf(2)
    }
    replace(lab())
    expect(await next()).to.equal('lab.yaml has changed: 0 up, 0 down, 0 changed')
  })

  it('says what of a changed file looks wrong that did not before, and that its name cannot change', async () => {
    writeFileSync(file, lab({ red: '10.0.0.2' }))
    const next = watching()
    await next()
    replace(lab({ red: '10.0.0.2' }).replace('name: lab', 'name: labor'))
    expect(await next()).to.equal('lab.yaml cannot be taken over; everything stays as it is')
    expect(await next()).to.equal(
      "lab.yaml:1:1: 'name' cannot change while running: it is 'lab', not 'labor'; leave it as it is, or bring the instance down and up again under its new 'name'",
    )
    replace(lab({ red: '10.0.0.2', more: '\nworkers: 2' }))
    expect(await next()).to.equal('lab.yaml cannot be taken over; everything stays as it is')
    await next()
    replace(lab())
    expect(await next()).to.match(/^lab\.yaml has changed/)
    replace(lab({ red: '10.0.0.2' }))
    expect(await next()).to.equal(
      'lab.yaml:7:40: the address 10.0.0.2 is that of core.red too, which is on the same network',
    )
  })
})
