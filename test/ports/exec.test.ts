/** `etherloom exec`: a command inside a host meets the host's network, and nothing of the machine's. */
import { expect } from 'chai'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closing } from '../helpers/fabric.js'
import { describeOnDevices, testFile, type Child } from '../helpers/kernel.js'
import { Host } from '../helpers/network.js'

const topology = `
hosts: { red: { addresses: [10.0.0.1/24] } }
fabrics: { lab: { kind: hub, ports: { red: { host: red } } } }
`

describeOnDevices('etherloom exec', function () {
  this.timeout(120_000)
  const close = closing()

  /** A running instance; `run` starts the command line beside it. */
  async function withLab(
    test: (machine: Host, folder: string, name: (words: string) => string) => Promise<void>,
  ): Promise<void> {
    const machine = close(await Host.create(1))
    const folder = await mkdtemp(join(tmpdir(), 'etherloom-exec-'))
    try {
      await writeFile(join(folder, 'lab.yaml'), topology)
      const up = machine.etherloom(folder, 'up', join(folder, 'lab.yaml'))
      expect(await up.line()).to.match(/^lab: up/)
      const program = [process.execPath, '--import=tsx', testFile('../bin/etherloom.ts')].join(' ')
      await test(machine, folder, (words) => `${program} ${words}`)
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  /** Runs a line of a shell on a terminal of its own, 33 lines of 99 characters. */
  const onTerminal = (machine: Host, folder: string, line: string, shell = '/bin/sh'): Child =>
    machine.start(
      ...['env', `ETHERLOOM_CONTROL_DIRECTORY=${folder}`, `SHELL=${shell}`, 'HOME=/nonexistent', 'TERM=dumb'],
      ...[
        'script',
        '--quiet',
        '--return',
        '--command',
        `stty rows 33 cols 99 -echo; exec ${line}`,
        '/dev/null',
      ],
    )

  /** What is printed up to a text, which ends no line. */
  const upTo = async (program: Child, pattern: RegExp): Promise<string> => {
    for (;;) {
      const line = await program.line()
      if (pattern.test(line)) return line
    }
  }

  it('runs a command with the interfaces, /sys, hosts and resolv.conf of the host, and returns its exit code', () =>
    withLab(async (machine, folder) => {
      const seen = [
        'ls /sys/class/net | sort | tr "\\n" " "; echo',
        'cat /sys/class/net/eth0/mtu',
        'getent hosts red | cut -d " " -f 1',
        'grep -c "^nameserver" /etc/resolv.conf',
        'hostname',
        'echo $ETHERLOOM_INSTANCE/$ETHERLOOM_HOST',
        'exit 7',
      ].join('; ')
      const text = await machine.etherloom(folder, 'exec', 'red', '--', 'sh', '-c', seen).rest(7)
      expect(text.split('\n').map((line) => line.trim())).to.deep.equal([
        'eth0 lo',
        '1500',
        '10.0.0.1',
        '0',
        'red',
        'lab/red',
      ])
      expect(await machine.run('sh', '-c', 'grep -c " red$" /etc/hosts || true'), 'outside').to.equal('0')
      expect(await machine.run('hostname'), 'outside').not.to.equal('red')
    }))

  it('counts signals as a shell does, and says that a command is not there', () =>
    withLab(async (machine, folder) => {
      await machine.etherloom(folder, 'exec', 'red', 'sh', '-c', 'kill -TERM $$').rest(143)
      await machine.etherloom(folder, 'exec', 'red', 'no-such-command').rest(127)
      await machine.etherloom(folder, 'exec', 'rad', 'true').rest(1)
    }))

  it('gives its terminal to the command: its size, what is typed, and Ctrl-C', () =>
    withLab(async (machine, folder, name) => {
      const script = `stty size; test -t 0 && read word && echo "got $word"; trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.01; done`
      const program = onTerminal(machine, folder, name(`exec red sh -c '${script}'`))
      expect((await program.line()).trim()).to.equal('33 99')
      program.tell('a word')
      expect((await program.line()).trim()).to.equal('got a word')
      expect((await program.line()).trim()).to.equal('ready')
      program.tell('\u0003')
      expect((await program.rest(5)).trim().split(/\s+/).at(-1)).to.equal('caught')
    }))

  for (const shell of ['/bin/sh', '/bin/bash'])
    it(`'s sister 'shell' runs ${shell} with a prompt that says where it is`, () =>
      withLab(async (machine, folder, name) => {
        const program = onTerminal(machine, folder, name('shell red'), shell)
        program.tell('hostname; echo here')
        expect(await upTo(program, /red\s*$/)).to.match(/\(lab\/red\) .*red\s*$/)
        await upTo(program, /^here/)
        program.tell('exit 9')
        await program.rest(9)
      }))

  it("'s sister 'shell' reads commands of a pipe, and runs sh where $SHELL is none", () =>
    withLab(async (machine, folder, name) => {
      const line = `echo 'cat /sys/class/net/eth0/mtu; exit 4' | SHELL=/nonexistent/sh ${name('shell red')}`
      const program = machine.start('env', `ETHERLOOM_CONTROL_DIRECTORY=${folder}`, 'sh', '-c', line)
      expect(await program.rest(4)).to.equal('1500')
    }))
})
