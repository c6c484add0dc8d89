/** A Docker for one test file: Debian's dockerd with a place of its own, no bridge and no rules, and an image of busybox. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, copyFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, lacksProgram } from './kernel.js'

/** Why there can be none here; undefined when there can. */
export const lacksDocker = (): string | undefined =>
  lacksProgram('dockerd', 'docker', 'busybox') ??
  (process.getuid?.() === 0 ? undefined : 'dockerd is for root alone')

export class Docker {
  readonly folder: string
  readonly #daemon: ChildProcess

  private constructor(folder: string, daemon: ChildProcess) {
    this.folder = folder
    this.#daemon = daemon
  }

  /** What to have in the environment, for who is to speak with it. */
  get host(): string {
    return `unix://${join(this.folder, 'docker.sock')}`
  }

  static async start(): Promise<Docker> {
    const folder = mkdtempSync(join(tmpdir(), 'el-docker-'))
    const socket = join(folder, 'docker.sock')
    const options = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver=vfs']
    const places = ['data-root', 'exec-root', 'pidfile'].map((name) => `--${name}=${join(folder, name)}`)
    const daemon = spawn(
      'setpriv',
      ['--pdeathsig', 'TERM', 'dockerd', ...options, ...places, `--host=unix://${socket}`],
      {
        stdio: ['ignore', 'ignore', 'ignore'],
      },
    )
    const docker = new Docker(folder, daemon)
    await eventually('dockerd answers', () => {
      if (daemon.exitCode !== null) throw new Error(`dockerd has ended with ${daemon.exitCode}`)
      try {
        return existsSync(socket) && docker.run('version') !== ''
      } catch {
        return undefined
      }
    })
    docker.#makeImage()
    return docker
  }

  #makeImage(): void {
    const root = join(this.folder, 'root')
    mkdirSync(join(root, 'bin'), { recursive: true })
    copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
    for (const name of ['sh', 'sleep', 'ip', 'ping']) symlinkSync('busybox', join(root, 'bin', name))
    const image = execFileSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 1 << 28 })
    execFileSync('docker', ['--host', this.host, 'import', '-', 'small'], {
      input: image,
      stdio: ['pipe', 'ignore', 'pipe'],
    })
  }

  /** What docker says to these words. */
  run(...words: string[]): string {
    return execFileSync('docker', ['--host', this.host, ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  }

  /** A container that sleeps, without any network. */
  container(name: string, ...options: string[]): void {
    this.run(
      'run',
      '--detach',
      '--network=none',
      `--name=${name}`,
      ...options,
      'small',
      '/bin/sleep',
      '100000',
    )
  }

  /** The number of a container's first process. */
  pid(name: string): number {
    return Number(this.run('inspect', '--format={{.State.Pid}}', name))
  }

  /** How many of so many pings come back, from inside a container, and the shortest time in milliseconds. */
  ping(from: string, to: string, count = 3): { received: number; shortest: number } {
    let said: string
    try {
      said = this.run('exec', from, 'ping', '-c', `${count}`, '-i', '0.2', '-W', '1', to)
    } catch (error) {
      said = String((error as { stdout?: string }).stdout)
    }
    return {
      received: Number(/(\d+) packets received/.exec(said)?.[1] ?? 0),
      shortest: Number(/min\/avg\/max = ([\d.]+)/.exec(said)?.[1] ?? NaN),
    }
  }

  async close(): Promise<void> {
    const all = this.run('ps', '--all', '--quiet')
    if (all !== '') this.run('rm', '--force', ...all.split('\n'))
    this.#daemon.kill('SIGTERM')
    if (this.#daemon.exitCode === null) await once(this.#daemon, 'exit')
    rmSync(this.folder, { recursive: true, force: true })
  }
}
