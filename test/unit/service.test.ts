/** What an instance is as a service: a file that is followed, a supervisor that is told, sockets that are handed over. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'chai'
import { WebSocket } from 'ws'

const command = ['--import=tsx', 'bin/etherloom.ts']

const lab = (delay: string, more = ''): string => `name: lab
fabrics:
  a:
    kind: hub
    forwarding: deny
    ports: { one: { patch: b.one }, two: { patch: b.two } }
    paths: [{ from: one, to: two, ${delay} }${more}]
  b: { kind: switch, ports: { one: { patch: a.one }, two: { patch: a.two } } }
`

/** Plays systemd: a socket for what it is told, of which it prints each message, then the exit code of the command. */
const supervisor = `
import json, os, select, socket, subprocess, sys
place, words = sys.argv[1], sys.argv[2:]
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.bind(place.replace('@', '\\0', 1))
own = 'export WATCHDOG_PID=$$; exec "$@"'
child = subprocess.Popen(['sh', '-c', own, 'sh'] + words, env=dict(os.environ, NOTIFY_SOCKET=place), stdout=sys.stderr)
ended = os.pidfd_open(child.pid)
while True:
    ready, _, _ = select.select([told, ended], [], [])
    if told in ready:
        print(json.dumps(told.recv(65536).decode()), flush=True)
    else:
        break
print(json.dumps('exit %d' % child.wait()), flush=True)
`

/** Plays a socket unit: listens at each path, and becomes the command with the sockets as descriptors from 3 on. */
const activator = `
import os, socket, sys
names, paths, words = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
sockets = []
for path in paths:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.bind(path)
    s.listen(16)
    sockets.append(s)
copies = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
for i, copy in enumerate(copies):
    os.dup2(copy, 3 + i, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(paths)), LISTEN_FDNAMES=names)
os.execvp(words[0], words)
`

function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL')
  } catch {
    // Nobody is left of it.
  }
}

describe('a service', function () {
  this.timeout(30_000)
  let directory: string
  let environment: NodeJS.ProcessEnv
  let file: string
  const running: ChildProcess[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'etherloom-service-'))
    environment = { ...process.env, ETHERLOOM_CONTROL_DIRECTORY: join(directory, 'run') }
    file = join(directory, 'lab.yaml')
    writeFileSync(file, lab('delay: 5ms'))
  })
  afterEach(async () => {
    for (const child of running.splice(0)) {
      const ended = child.exitCode !== null || child.signalCode !== null
      const exit = ended ? undefined : once(child, 'exit')
      killGroup(child) // what it has started, too
      await exit
    }
    rmSync(directory, { recursive: true })
  })

  /** Starts a program, of whose output `next` hands over line by line. */
  function start(program: string, words: string[]) {
    const child = spawn(program, words, {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    running.push(child)
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    const next = async (): Promise<string> => {
      const line = await lines.next()
      if (line.done === true) throw new Error('it has said all')
      return line.value
    }
    return { child, next }
  }

  const up = (...words: string[]) => start(process.execPath, [...command, 'up', ...words])
  const etherloom = (...words: string[]) =>
    spawnSync(process.execPath, [...command, ...words], {
      env: environment,
      encoding: 'utf8',
      timeout: 20_000,
    })
  const policies = (): unknown => {
    const { fabrics } = JSON.parse(etherloom('show', 'topology', '--json').stdout) as {
      fabrics: { a: { paths: unknown } }
    }
    return fabrics.a.paths
  }
  /** As editors do it: the new file takes the place of the old one. */
  const replace = (text: string, place = file): void => {
    writeFileSync(`${place}~`, text)
    renameSync(`${place}~`, place)
  }

  describe('that follows its file', () => {
    it('takes over a file that was written anew, and one that took its place', async () => {
      const { next } = up('--watch', file)
      expect(await next()).to.equal('lab: up with 4 ports; Ctrl-C ends it')
      writeFileSync(file, lab('delay: 6ms'))
      expect(await next()).to.equal('lab.yaml has changed: 0 up, 0 down, 1 changed')
      replace(lab('delay: 7ms', ', { from: two, to: one }'))
      expect(await next()).to.equal('lab.yaml has changed: 1 up, 0 down, 1 changed')
      expect(policies()).to.deep.equal([
        { from: 'one', to: 'two', delay: '7ms' },
        { from: 'two', to: 'one' },
      ])
    })

    it('says where a file has mistakes, stays as it is, and takes over the mended one', async () => {
      const { next } = up('--watch', file)
      await next()
      replace(lab('delay: 6mss'))
      expect(await next()).to.equal('lab.yaml cannot be taken over; everything stays as it is')
      expect(await next()).to.match(/^.*lab\.yaml:7:\d+: .*'6mss'/)
      expect(policies()).to.deep.equal([{ from: 'one', to: 'two', delay: '5ms' }])
      replace(lab('delay: 6ms'))
      expect(await next()).to.equal('lab.yaml has changed: 0 up, 0 down, 1 changed')
    })

    it('says that a mistake is mended also where nothing else has changed', async () => {
      const { next } = up('--watch', file)
      await next()
      replace(lab('delay: 5mss'))
      await next()
      expect(await next()).to.match(/'5mss'/)
      replace(lab('delay: 5ms'))
      expect(await next()).to.equal('lab.yaml has changed: 0 up, 0 down, 0 changed')
    })

    it('stays as it is while its file is gone, and takes over the one that comes back', async () => {
      const { next } = up('--watch', file)
      await next()
      rmSync(file)
      expect(await next()).to.equal('lab.yaml cannot be taken over; everything stays as it is')
      expect(await next()).to.match(/^cannot read .*lab\.yaml \(ENOENT\)/)
      writeFileSync(file, lab('delay: 6ms'))
      expect(await next()).to.equal('lab.yaml has changed: 0 up, 0 down, 1 changed')
    })

    it('takes over the last of several quick saves', async () => {
      const { next } = up('--watch', '--json', file)
      const event = async (name: string): Promise<unknown> => {
        for (;;) {
          const value = JSON.parse(await next()) as { event: string }
          if (value.event === name) return value
        }
      }
      await event('up')
      for (let delay = 10; delay < 30; delay++) replace(lab(`delay: ${delay}ms`))
      const applied = { event: 'file:applied', file, up: 0, down: 0, changed: 1, steps: ['set 1 path of a'] }
      for (;;) {
        expect(await event('file:applied')).to.deep.equal(applied)
        const [{ delay }] = policies() as [{ delay: string }]
        if (delay === '29ms') break
      }
      rmSync(file)
      expect(await event('file:error')).to.include({ event: 'file:error', file })
    })

    it('sets a path anew whose trace has changed, though the file says the same', async () => {
      const trace = join(directory, 'rate.csv')
      writeFileSync(trace, 'time(s),rate(Mbit)\n0,1\n1,2\n')
      writeFileSync(file, lab('trace: rate.csv'))
      const { next } = up('--watch', file)
      await next()
      replace('time(s),rate(Mbit)\n0,3\n1,4\n', trace)
      expect(await next()).to.equal('lab.yaml has changed: 0 up, 0 down, 1 changed')
      replace('time(s),rate(Mbit)\n0,fast\n', trace)
      expect(await next()).to.equal('lab.yaml cannot be taken over; everything stays as it is')
      expect(await next()).to.match(/rate\.csv:2: /)
      replace('time(s),rate(Mbit)\n0,5\n1,4\n', trace)
      expect(await next()).to.equal('lab.yaml has changed: 0 up, 0 down, 1 changed')
    })

    it('follows a link that leads elsewhere', async () => {
      for (const [folder, delay] of [
        ['old', 'delay: 5ms'],
        ['new', 'delay: 6ms'],
      ] as const) {
        mkdirSync(join(directory, folder))
        writeFileSync(join(directory, folder, 'lab.yaml'), lab(delay))
      }
      const link = join(directory, 'now')
      symlinkSync('old', link)
      const { next } = up('--watch', join(link, 'lab.yaml'))
      await next()
      symlinkSync('new', `${link}~`)
      renameSync(`${link}~`, link)
      expect(await next()).to.equal('lab.yaml has changed: 0 up, 0 down, 1 changed')
    })

    it('goes over to a changed file when it is sealed', async () => {
      chmodSync(directory, 0o755) // it is nobody then
      const { next } = up('--watch', '--sealed', file)
      await next()
      replace(lab('delay: 6ms'))
      expect(await next()).to.equal('lab.yaml has changed: 0 up, 0 down, 1 changed')
    })

    it('ends in order', async () => {
      const { child, next } = up('--watch', file)
      await next()
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      expect(await next()).to.equal('lab: down')
      expect(await exit).to.deep.equal([0, null])
    })

    it('is refused where it runs already, and of a pipe', async () => {
      const { next } = up(file)
      await next()
      expect(etherloom('up', '--watch', file)).to.deep.include({ status: 1 })
      expect(etherloom('up', '--watch', file).stderr).to.match(
        /^etherloom: 'lab' runs already, so nobody here /,
      )
      const { status, stderr } = spawnSync(
        'sh',
        ['-c', 'cat "$0" | "$@"', file, process.execPath, ...command, 'up', '--watch', '/dev/stdin'],
        { env: environment, encoding: 'utf8' },
      )
      expect(stderr).to.match(/^etherloom: '--watch' needs a file, which '\/dev\/stdin' is not/)
      expect(status).to.equal(2)
    })
  })

  it('applies a changed trace when it is told the same file again', async () => {
    const trace = join(directory, 'rate.csv')
    writeFileSync(trace, 'time(s),rate(Mbit)\n0,1\n1,2\n')
    writeFileSync(file, lab('trace: rate.csv'))
    await up(file).next()
    expect(etherloom('up', file).stdout).to.equal('lab: 0 up, 0 down, 0 changed\n')
    replace('time(s),rate(Mbit)\n0,3\n1,4\n', trace)
    expect(etherloom('up', file).stdout).to.equal('set 1 path of a\nlab: 0 up, 0 down, 1 changed\n')
    expect(etherloom('up', file).stdout).to.equal('lab: 0 up, 0 down, 0 changed\n')
  })

  describe('with a supervisor', () => {
    /** What a message says, by its names. */
    const read = (line: string): Record<string, string> =>
      Object.fromEntries(
        (JSON.parse(line) as string).split('\n').map((each) => each.split(/=(.*)/s).slice(0, 2)),
      ) as Record<string, string>

    const supervise = (place: string, ...words: string[]) => {
      const { next, child } = start('python3', [
        '-c',
        supervisor,
        place,
        process.execPath,
        ...command,
        'up',
        ...words,
      ])
      return { next: async () => read(await next()), said: next, child }
    }

    for (const kind of ['a path', 'a name outside the file system'])
      it(`tells it of its states in order, at ${kind}`, async () => {
        const place = kind === 'a path' ? join(directory, 'notify') : `@etherloom-test-${process.pid}`
        const { next, said } = supervise(place, file)
        expect(await next()).to.deep.equal({ STATUS: `bringing up ${file}` })
        expect(await next()).to.deep.equal({ READY: '1', STATUS: 'up with 4 ports' })
        replace(lab('delay: 6ms'))
        expect(etherloom('up', file).status).to.equal(0)
        const reloading = await next()
        expect(reloading).to.include({ RELOADING: '1' })
        const ago = process.hrtime.bigint() / 1000n - BigInt(reloading.MONOTONIC_USEC!)
        expect(ago >= 0n && ago < 100_000_000n).to.equal(true)
        expect(await next()).to.deep.equal({ READY: '1', STATUS: 'up with 4 ports' })
        etherloom('down')
        expect(await next()).to.deep.equal({ STOPPING: '1', STATUS: 'ending' })
        expect(await said()).to.equal('"exit 0"')
      })

    it('is never ready where it cannot come up, and says why', async () => {
      writeFileSync(
        file,
        'name: lab\nfabrics: { a: { kind: hub, ports: { far: { socket: /nowhere/x, role: listen } } } }\n',
      )
      const { next, said } = supervise(join(directory, 'notify'), file)
      expect(await next()).to.deep.equal({ STATUS: `bringing up ${file}` })
      expect((await next()).STATUS).to.match(/cannot serve \/nowhere\/x/)
      expect(await said()).to.equal('"exit 1"')
    })

    it('is ready again after a change that was refused, and says so', async () => {
      const { next } = supervise(join(directory, 'notify'), file)
      await next()
      await next()
      replace(lab('delay: 6ms').replace('name: lab', 'name: lab\nworkers: 2'))
      expect(etherloom('up', file).status).to.equal(1)
      expect(await next()).to.include({ RELOADING: '1' })
      expect((await next()).STATUS).to.match(
        /^up with 4 ports; a change was refused: .* cannot change while running/,
      )
    })

    it('says of a file that it follows why it was refused, until it is mended', async () => {
      const { next } = supervise(join(directory, 'notify'), '--watch', file)
      await next()
      await next()
      replace('fabrics: { core: { kind: hob, ports: {} } }\n')
      expect((await next()).STATUS).to.match(/^up with 4 ports; a change was refused: .*'kind' must be/)
      replace(lab('delay: 6ms'))
      expect(await next()).to.include({ RELOADING: '1' })
      expect(await next()).to.deep.equal({ READY: '1', STATUS: 'up with 4 ports' })
    })

    it('says that it is alive as often as it is asked to, and when it is sealed', async () => {
      environment.WATCHDOG_USEC = '200000'
      const { next } = supervise(join(directory, 'notify'), '--sealed', file)
      const seen: string[] = []
      while (seen.filter((name) => name === 'WATCHDOG').length < 4) seen.push(...Object.keys(await next()))
      expect(seen).to.include('READY')
      etherloom('down')
      let last = await next()
      while ('WATCHDOG' in last) last = await next()
      expect(last).to.include({ STOPPING: '1' })
    })

    it('says so from the process that rootless starts, too', async function () {
      if (spawnSync('unshare', ['--user', '--map-root-user', '--net', 'true']).status !== 0) this.skip() // no user namespaces
      environment.WATCHDOG_USEC = '200000'
      const { next } = supervise(join(directory, 'notify'), '--rootless', file)
      let seen = await next()
      while (!('WATCHDOG' in seen)) seen = await next()
      etherloom('down')
    })

    it('refuses a socket that is none', () => {
      environment.NOTIFY_SOCKET = 'notify'
      expect(etherloom('up', file).stderr).to.equal(
        'etherloom: $NOTIFY_SOCKET must be a path, or @ and a name\n',
      )
      environment.NOTIFY_SOCKET = join(directory, 'nobody')
      expect(etherloom('up', file).stderr).to.match(/^etherloom: cannot reach .*nobody/)
    })
  })

  describe('with sockets that were handed over', () => {
    const trunk = (socket: string): string =>
      `name: lab\nfabrics: { a: { kind: hub, listen: { socket: '${socket}', name: 'peer%d' }, ports: {} } }\n`
    const activate = (names: string, paths: string[], ...words: string[]) =>
      start('python3', [
        '-c',
        activator,
        names,
        paths.join(' '),
        process.execPath,
        ...command,
        'up',
        ...words,
      ])

    it('listens there, for peers that came before it, too, and leaves the path', async () => {
      const path = join(directory, 'trunk.sock')
      writeFileSync(file, trunk('systemd:trunk'))
      const { child, next } = activate('other:trunk', [join(directory, 'other.sock'), path], file)
      expect(await next()).to.equal('lab: up with 0 ports; Ctrl-C ends it')
      const peer = connect(path)
      expect(await next()).to.equal('a.peer0: up')
      // Listening ends and begins anew there: the socket is the starter's.
      writeFileSync(file, trunk('systemd:trunk').replace('peer%d', 'far%d'))
      expect(etherloom('up', file).status).to.equal(0)
      const again = connect(path)
      for (let line = ''; line !== 'a.far0: up';) line = await next()
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      expect(await exit).to.deep.equal([0, null])
      expect(existsSync(path)).to.equal(true)
      for (const socket of [peer, again]) socket.destroy()
    })

    it('is one for a port that listens', async () => {
      const path = join(directory, 'trunk.sock')
      writeFileSync(
        file,
        "name: lab\nfabrics: { a: { kind: hub, ports: { far: { socket: 'systemd:trunk', role: listen } } } }\n",
      )
      const { child, next } = activate('trunk', [path], file)
      expect(await next()).to.equal('lab: up with 1 port; Ctrl-C ends it')
      const peer = connect(path)
      for (let line = ''; line !== 'a.far: up';) line = await next()
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      await exit
      expect(existsSync(path)).to.equal(true)
      peer.destroy()
    })

    it('is one for emulators in browsers', async () => {
      const path = join(directory, 'web.sock')
      const listen = "{ protocol: websocket, socket: 'systemd:web', token: abcdefgh }"
      writeFileSync(file, `name: lab\nfabrics: { a: { kind: hub, ports: {}, listen: ${listen} } }\n`)
      const { child, next } = activate('web', [path], file)
      expect(await next()).to.equal('lab: up with 0 ports; Ctrl-C ends it')
      const stranger = new WebSocket(`ws+unix:${path}:/`)
      expect(((await once(stranger, 'error')) as [Error])[0].message).to.contain('401')
      const peer = new WebSocket(`ws+unix:${path}:/?token=abcdefgh`)
      for (let line = ''; line !== 'a.peer0: up';) line = await next()
      const [exit, gone] = [once(child, 'exit'), once(peer, 'close')]
      child.kill('SIGTERM')
      await Promise.all([exit, gone])
      expect(existsSync(path)).to.equal(true)
    })

    it('says what is missing, and what there is', () => {
      writeFileSync(file, trunk('systemd:trunk'))
      expect(etherloom('validate', file).status).to.equal(0)
      expect(etherloom('up', file).stderr).to.match(
        /no socket named 'trunk' was handed over; start it by a unit/,
      )
      const refused = (names: string, paths: string[]): string => {
        const words = ['-c', activator, names, paths.join(' '), process.execPath, ...command, 'up', file]
        return spawnSync('python3', words, { env: environment, encoding: 'utf8' }).stderr
      }
      const path = (name: string): string => join(directory, name)
      expect(refused('one', [path('1')])).to.match(/FileDescriptorName=trunk .* is named 'one'/)
      expect(refused('trunk:trunk', [path('2'), path('3')])).to.match(/^.*2 sockets named 'trunk'/)
      writeFileSync(file, trunk('systemd:trunk').replace("name: 'peer", "framing: seqpacket, name: 'peer"))
      expect(refused('trunk', [path('4')])).to.match(/another type of socket/)
    })

    it('is for one only, until that has closed', () => {
      const program = `import { Hub } from './lib/index.ts'
const [one, other] = [new Hub({ name: 'one' }), new Hub({ name: 'other' })]
const server = await one.listen({ socket: 'systemd:trunk' })
await other.listen({ socket: 'systemd:trunk' }).catch((error) => console.log(error.message))
await server.close()
await other.listen({ socket: 'systemd:trunk' })
console.log('free again')
await Promise.all([one.close(), other.close()])
`
      const place = join(directory, 'one.sock')
      const words = ['--import=tsx', '--input-type=module', '--eval', program]
      const { stdout, stderr } = spawnSync(
        'python3',
        ['-c', activator, 'trunk', place, process.execPath, ...words],
        { env: environment, encoding: 'utf8', timeout: 20_000 },
      )
      expect({ stdout, stderr }).to.deep.equal({
        stdout:
          "the socket 'trunk' that was handed over is another port's or 'listen' already; give each a socket unit with a FileDescriptorName of its own\nfree again\n",
        stderr: '',
      })
    })

    it('is for who listens only', () => {
      writeFileSync(file, "fabrics: { a: { kind: hub, ports: { far: { socket: 'systemd:trunk' } } } }\n")
      expect(etherloom('validate', file).stderr).to.match(/a path or an address with the role 'connect'/)
    })
  })
})
