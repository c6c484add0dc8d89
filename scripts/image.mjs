// Builds the container image by container/Dockerfile and proves that it runs: `node scripts/image.mjs TARBALL`, as root, with
// docker.io. The tarball is what `npm pack` made. No registry of images is asked: the base is a small Debian and a Node.js, and
// a Docker daemon of its own does it, in a scratch folder that is gone afterwards. Called by pack-smoke.mjs --whole.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { addNode, addSystem, lacking, systemPackages } from './debian-root.mjs'
import { endable, removeWhole } from './endable.mjs'
import { Stop, inRoot, isMain, main, run } from './tools.mjs'

const major = '22'

const sockets = `name: sockets
fabrics:
  core:
    kind: switch
    listen: { socket: /tmp/trunk.sock }
    ports: { far: { udp: '127.0.0.1:0' } }
`
const tap = `name: tap
fabrics: { core: { kind: hub, ports: { own: { tap: loom0 }, far: { udp: '127.0.0.1:0' } } } }
`

/** A base for the image: the packages that etherloom's programs need, libpcap for filter expressions, and Node.js. */
function makeBase(folder, scratch) {
  mkdirSync(folder)
  addSystem(folder, scratch, [...systemPackages, 'libpcap0.8'])
  const place = addNode(folder, scratch, major)
  mkdirSync(path.join(folder, 'usr/local/bin'), { recursive: true })
  run('mv', [path.join(folder, place, 'bin/node'), path.join(folder, 'usr/local/bin/node')])
  for (const name of ['opt', 'usr/share/doc', 'usr/share/man', 'usr/share/locale'])
    rmSync(path.join(folder, name), { recursive: true, force: true })
  for (const name of ['tmp', 'proc', 'sys', 'dev', 'root'])
    mkdirSync(path.join(folder, name), { recursive: true })
  run('chmod', ['1777', path.join(folder, 'tmp')])
}

/** A daemon of our own, until what this returns is called. It makes no network and touches no firewall. */
async function startDocker(scratch) {
  const at = (name) => path.join(scratch, name)
  const words = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver=vfs']
  const places = [`--data-root=${at('data')}`, `--exec-root=${at('exec')}`, `--pidfile=${at('pid')}`]
  const daemon = spawn('dockerd', [...words, ...places, `--host=unix://${at('sock')}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  daemon.stderr.setEncoding('utf8').on('data', (text) => (said = (said + text).slice(-4000)))
  const ended = once(daemon, 'exit')
  void ended.catch(() => undefined)
  const stop = async () => {
    if (daemon.exitCode === null && daemon.signalCode === null && daemon.pid !== undefined) {
      daemon.kill('SIGTERM')
      await ended
    }
  }
  while (!said.includes('API listen on')) {
    if (daemon.exitCode !== null || daemon.signalCode !== null)
      throw new Stop(`dockerd does not start here:\n${said}`)
    await Promise.race([ended, pause(100)])
  }
  return { docker: (...rest) => ['docker', [`--host=unix://${at('sock')}`, ...rest]], stop }
}

/** Runs the image until it says that it is up, ends it, and insists on an end in order. */
async function runs(title, [program, words]) {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const events = []
  child.stdout.setEncoding('utf8')
  let rest = ''
  for await (const piece of child.stdout) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop()
    events.push(...lines.filter(Boolean).map((line) => JSON.parse(line).event))
    if (lines.some((line) => line.includes('"event":"up"'))) child.kill('SIGTERM')
  }
  const code = child.exitCode ?? (await once(child, 'exit'))[0]
  if (code !== 0 || events[0] !== 'up' || events.at(-1) !== 'down')
    throw new Stop(`${title}: exit code ${code}, after ${events.join(', ')}`)
  console.log(`${title}: ok`)
}

export async function proveImage(tarball) {
  const why = lacking() ?? (existsSync('/usr/sbin/dockerd') ? undefined : 'it needs docker.io')
  if (why !== undefined) {
    console.log(`skipped: the image cannot be built here: ${why}`)
    return
  }
  const scratch = mkdtempSync(path.join(tmpdir(), 'etherloom-image-'))
  let stop = async () => undefined
  try {
    const [base, context] = [path.join(scratch, 'base'), path.join(scratch, 'context')]
    makeBase(base, scratch)
    mkdirSync(context)
    writeFileSync(path.join(context, 'package.json'), '{ "private": true }')
    run('npm', ['install', '--omit=dev', '--no-audit', '--no-fund', tarball], { quiet: true, cwd: context })
    const started = await startDocker(scratch)
    stop = started.stop
    const { docker } = started
    run(
      'sh',
      ['-c', 'tar --create --directory="$1" . | "$2" "$3" import - base', 'sh', base, ...docker().flat()],
      { quiet: true },
    )
    const build = [
      'build',
      '--network=none',
      '--build-arg=BASE=base',
      `--file=${inRoot('container/Dockerfile')}`,
    ]
    const [program, words] = docker(...build, '--tag=etherloom', context)
    run(program, words, { quiet: true, env: { ...process.env, DOCKER_BUILDKIT: '0' } })
    const sizes = ['base', 'etherloom'].map((name) => {
      const [program, words] = docker('image', 'inspect', '--format={{.Size}}', name)
      return `${name} ${Math.round(Number(execFileSync(program, words, { encoding: 'utf8' })) / 2 ** 20)} MiB`
    })
    console.log(`image: ${sizes.join(', ')}`)
    for (const [name, text] of Object.entries({ sockets, tap }))
      writeFileSync(path.join(scratch, `${name}.yaml`), text)
    const files = ['sockets', 'tap'].map(
      (name) => `--volume=${scratch}/${name}.yaml:/etc/etherloom/${name}.yaml:ro`,
    )
    const inImage = (rights, ...command) =>
      docker('run', '--rm', '--network=none', ...files, ...rights, 'etherloom', ...command)
    const net = ['--cap-drop=ALL', '--cap-add=NET_ADMIN', '--device=/dev/net/tun']
    await runs(
      'sockets, without rights',
      inImage(['--cap-drop=ALL', '--user=65534:65534'], 'up', '--json', 'sockets.yaml'),
    )
    await runs('a TAP, with NET_ADMIN', inImage(net, 'up', '--json', 'tap.yaml'))
    const hosts = [...net, '--cap-add=SYS_ADMIN', '--security-opt=apparmor=unconfined']
    const example = '/opt/etherloom/node_modules/etherloom/examples/three-hosts.yaml'
    await runs('hosts, with SYS_ADMIN too', inImage(hosts, 'up', '--json', example))
    run(...inImage([...hosts, '--cap-add=NET_RAW'], 'demo'), { quiet: true })
    console.log('demo, with SYS_ADMIN too: ok')
  } finally {
    await stop()
    removeWhole(scratch)
  }
}

if (isMain(import.meta.url)) {
  await endable()
  await main(async () => {
    const tarball = process.argv[2]
    if (tarball === undefined || !existsSync(tarball)) throw new Stop('Give the tarball that npm pack made.')
    await proveImage(path.resolve(tarball))
  })
}
