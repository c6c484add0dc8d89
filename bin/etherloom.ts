#!/usr/bin/env node
/**
 * The command line: says which commands there are, and loads a command's module when it runs.
 * Exit codes: 0 done, 1 failed, 2 misuse.
 */
import { createRequire } from 'node:module'
import { Command, CommanderError, Option } from 'commander'
import type { ImportOptions } from './commands/import.js'
import type { UpOptions } from './commands/up.js'
import { fail, usageError } from './output.js'

const { version } = createRequire(import.meta.url)('etherloom/package.json') as { version: string }

/** What every command that is an action returns. */
type ExitCode = number

const json = new Option('--json', 'print JSON, one value per line, for programs')
const config = new Option('--config <file>', "of a MiniWorld scenario: MiniWorld's config.json")
const machines = new Option(
  '--machines <kind>',
  'of a MiniWorld scenario: hosts (default), taps for others to use, or packet sockets on the TAPs of others',
)
const instanceName = new Option('--name <name>', 'the instance; needed when several are running')

function buildProgram(): Command {
  const program = new Command('etherloom')
    .description('Userspace Ethernet: TAPs, packet sockets and hosts, joined by hubs, switches and wires')
    .version(version)
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ outputError: (text) => process.stderr.write(usageError(text)) })

  program
    .command('up')
    .argument('<file>', 'topology file, YAML or JSON, or a file that import takes')
    .description('run a topology until Ctrl-C; when it runs already, go over to the changed file')
    .option('--name <name>', "name of the instance (default: the file's name key, or its file name)")
    .option('--rootless', 'run in a user and network namespace of its own, without privilege')
    .addOption(config)
    .addOption(machines)
    .addOption(json)
    .action(async (file: string, options: UpOptions) =>
      run(options, async () => (await import('./commands/up.js')).up(file, options)),
    )

  program
    .command('validate')
    .argument('<file>', 'topology file, YAML or JSON, or a file that import takes')
    .description('check a topology file without running it')
    .addOption(json)
    .action(async (file: string, options: { json?: boolean }) =>
      run(options, async () => (await import('./commands/validate.js')).validate(file, options)),
    )

  program
    .command('import')
    .argument('<file...>', 'files of another program; several are parts of one network')
    .description('print files of another program as a topology file, and what became of the rest on stderr')
    .option('--tmesh', 'they describe machines of TME')
    .option('--miniworld', 'a scenario of MiniWorld')
    .addOption(config)
    .addOption(machines)
    .addOption(json)
    .action(async (files: string[], options: ImportOptions) =>
      run(options, async () => (await import('./commands/import.js')).importForeign(files, options)),
    )

  program
    .command('show')
    .argument(
      '[what]',
      'ports, paths, addresses, drops, hosts, timeline, worlds, links, lateness, info or topology',
      'ports',
    )
    .description('show the state of a running instance')
    .addOption(instanceName)
    .addOption(json)
    .action(async (what: string, options: { name?: string; json?: boolean }) =>
      run(options, async () => (await import('./commands/show.js')).show(what, options)),
    )

  program
    .command('info')
    .argument('<what>', 'connections, links or distances')
    .description("print the links of a running instance's worlds, in the JSON of MiniWorld's mwcli info")
    .addOption(instanceName)
    .addOption(json)
    .action(async (what: string, options: { name?: string; json?: boolean }) =>
      run(options, async () => (await import('./commands/info.js')).info(what, options)),
    )

  program
    .command('path')
    .argument('<from>', 'port that frames come from')
    .argument('<to>', 'port that frames go to')
    .argument('[policy...]', 'the whole new policy as key=value: delay=5ms loss=2% rate=10Mbit ...')
    .description('allow a path of a running instance, with these impairments and no others')
    .option('--both', 'both directions')
    .option('--fabric <fabric>', 'the fabric, when the ports are on several together')
    .addOption(instanceName)
    .addOption(json)
    .action(async (from: string, to: string, policy: string[], options: PathFlags) =>
      run(options, async () => (await import('./commands/path.js')).path(from, to, policy, options)),
    )

  program
    .command('deny')
    .argument('<from>', 'port that frames come from')
    .argument('<to>', 'port that frames go to')
    .description('let nothing pass on a path of a running instance')
    .option('--both', 'both directions')
    .option('--fabric <fabric>', 'the fabric, when the ports are on several together')
    .addOption(instanceName)
    .addOption(json)
    .action(async (from: string, to: string, options: PathFlags) =>
      run(options, async () => (await import('./commands/path.js')).deny(from, to, options)),
    )

  program
    .command('carrier')
    .argument('<port>', 'port of a running instance')
    .argument('<state>', 'on or off')
    .description('take the carrier of a port away, as if the cable were out, or give it back')
    .option('--fabric <fabric>', 'the fabric, when a port of that name is on several')
    .addOption(instanceName)
    .addOption(json)
    .action(async (port: string, state: string, options: PathFlags) =>
      run(options, async () => (await import('./commands/carrier.js')).carrier(port, state, options)),
    )

  program
    .command('step')
    .argument('[count]', 'how many steps to take, one after another', '1')
    .description('let the nodes of the worlds of a running instance move, and their links follow')
    .option('--world <world>', 'only this world')
    .addOption(instanceName)
    .addOption(json)
    .action(async (count: string, options: { world?: string; name?: string; json?: boolean }) =>
      run(options, async () => (await import('./commands/step.js')).step(count, options)),
    )

  program
    .command('capture')
    .argument('<what>', "a port, or a path as 'A>B'")
    .description('record a port or path of a running instance as pcapng, until Ctrl-C or the reader goes')
    .option('-w, --write <file>', 'the file; - is stdout', '-')
    .option('--snap <bytes>', 'keep only the first bytes of each frame')
    .option('--count <frames>', 'end after so many frames')
    .option('--fates', 'of a path: what becomes of each frame, as comments')
    .option('--fabric <fabric>', 'the fabric, when several have such a port')
    .addOption(instanceName)
    .addOption(json)
    .action(async (what: string, options: { json?: boolean }) =>
      run(options, async () => (await import('./commands/capture.js')).capture(what, options)),
    )

  program
    .command('exec')
    .argument('<host>', 'host of a running instance')
    .argument('<command...>', 'command to run inside its network namespace')
    .description('run a command inside a host')
    .passThroughOptions()
    .addOption(instanceName)
    .addOption(json)
    .action(async (host: string, command: string[], options: { name?: string; json?: boolean }) =>
      run(options, async () => (await import('./commands/exec.js')).exec(host, command, options)),
    )

  program
    .command('down')
    .description('end a running instance')
    .addOption(instanceName)
    .addOption(json)
    .action(async (options: { name?: string; json?: boolean }) =>
      run(options, async () => (await import('./commands/down.js')).down(options)),
    )

  program
    .command('doctor')
    .description('say what this machine allows, and what to do about what it does not')
    .addOption(json)
    .action(async (options: { json?: boolean }) =>
      run(options, async () => (await import('./commands/doctor.js')).doctor(options)),
    )

  program
    .command('demo')
    .description('three hosts on a hub: asked-for and measured values, live')
    .addOption(json)
    .action(async (options: { json?: boolean }) =>
      run(options, async () => (await import('./demo/main.js')).runDemo(options)),
    )

  return program
}

interface PathFlags {
  both?: boolean
  fabric?: string
  name?: string
  json?: boolean
}

/** Runs a command; what it throws is printed, and decides the exit code. */
async function run(options: { json?: boolean }, command: () => Promise<ExitCode>): Promise<void> {
  try {
    process.exitCode = await command()
  } catch (error) {
    process.exitCode = fail(error, options)
  }
}

try {
  await buildProgram().parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
