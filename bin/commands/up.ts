/** `etherloom up`: runs a topology until it is ended, or takes a running instance over to the changed file. */
import { realpath } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import type { ControlClient } from '../../lib/control/client.js'
import type { Instance } from '../../lib/control/instance.js'
import type { FileProblem } from '../../lib/topology/file-problem.js'
import type { Topology } from '../../lib/topology/schema.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { action, command, type ExitCode, type Flags } from '../command.js'
import { addConversion, readConversion, type ConversionWords } from '../conversion.js'
import { counted, describeStep, printJson, printLine, printNotes } from '../output.js'

interface UpFlags extends ConversionWords, Flags {
  name?: string
  rootless?: boolean
}

export const up = addConversion(
  command('up', 'run a topology until Ctrl-C; when it runs already, go over to the changed file')
    .argument('<file>', 'topology file, YAML or JSON, or a file that import takes')
    .option('--name <name>', "name of the instance (default: the file's name key, or its file name)")
    .option('--rootless', 'run in a user and network namespace of its own, without privilege'),
).action(action(run))

async function run(file: string, options: UpFlags): Promise<ExitCode> {
  const [{ ControlClient }, { Instance }, { loadTopology }] = await Promise.all([
    import('../../lib/control/client.js'),
    import('../../lib/control/instance.js'),
    import('../../lib/topology/load.js'),
  ])
  const notes: FileProblem[] = []
  const topology = await loadTopology(file, (note) => notes.push(note), await readConversion(options))
  const path = await realpath(file)
  const name = options.name ?? topology.name ?? nameOf(path)
  const running = await ControlClient.connect(name)
  if (options.rootless && !running) return (await import('../rootless.js')).runRootless()
  printNotes(notes)
  if (running) return applyTo(running, name, path, topology, options).finally(() => running.close())
  const instance = await Instance.start(name, path, topology)
  await watch(instance, options)
  return 0
}

/** The file's name without its ending, with nothing in it that an instance's name cannot have. */
function nameOf(path: string): string {
  return basename(path, extname(path))
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .slice(0, 63)
}

/** Hands the topology to the instance that runs it. */
async function applyTo(
  running: ControlClient,
  name: string,
  path: string,
  topology: Topology,
  { json }: UpFlags,
): Promise<number> {
  const { file } = await running.call('info', {})
  if (file !== path)
    throw new EtherloomError(
      'ERR_ETHERLOOM_CONTROL',
      `an instance named '${name}' is already running ${file}`,
      {
        hint: `choose another --name, or end it with 'etherloom down --name ${name}'`,
      },
    )
  const { steps, ...counts } = await running.call('apply', { topology })
  if (json) printJson({ event: 'applied', name, ...counts, steps })
  else {
    steps.forEach(printLine)
    printLine(`${name}: ${counts.up} up, ${counts.down} down, ${counts.changed} changed`)
  }
  return 0
}

/** Shows what the instance does until it ends: by a signal, or because `down` ended it. */
async function watch(instance: Instance, { json }: UpFlags): Promise<void> {
  const [{ reports }, { LiveView }] = await Promise.all([
    import('../../lib/topology/report.js'),
    import('../live.js'),
  ])
  const { name, network } = instance
  let signals = 0
  const stop = (signal: NodeJS.Signals): void => {
    signals++
    if (signals > 1) process.exit(signal === 'SIGINT' ? 130 : 143) // the user will not wait for an orderly end
    void instance.close()
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)

  const live = json || !process.stdout.isTTY ? undefined : new LiveView(instance)
  const tell = (event: { event: string } & Record<string, unknown>, text: string): void => {
    if (json) printJson(event)
    else if (live) live.note(text)
    else printLine(text)
  }
  const ports = reports.ports(network).length
  tell({ event: 'up', ...instance.info() }, `${name}: up with ${counted(ports, 'port')}; Ctrl-C ends it`)
  network.on('port:down', ({ fabric, port, error }) =>
    tell(
      { event: 'port:down', fabric, port, error: error.message },
      `${fabric}.${port}: down: ${error.message}`,
    ),
  )
  network.on('port:up', ({ fabric, port }) =>
    tell({ event: 'port:up', fabric, port }, `${fabric}.${port}: up`),
  )
  network.on('gateway:down', ({ fabric, port, error }) =>
    tell(
      { event: 'gateway:down', fabric, port, error: error.message },
      `${fabric}.${port}: ${error.message}`,
    ),
  )
  network.on('port:carrier', ({ fabric, port, on }) =>
    tell({ event: 'port:carrier', fabric, port, on }, `${fabric}.${port}: carrier ${on ? 'on' : 'off'}`),
  )
  network.on('timeline', (step) => {
    if (json) printJson({ event: 'timeline', ...step })
    else if (step.phase !== 'step') tell({ event: 'timeline' }, `${step.fabric}: at ${step.at}: ${step.did}`)
  })
  network.on('timeline:error', ({ fabric, error }) =>
    tell({ event: 'timeline:error', fabric, error: error.message }, error.message),
  )
  network.on('world:step', ({ links, ...step }) => {
    if (json) printJson({ event: 'step', ...step, links })
    else if (links.length > 0 || step.overrun) tell({ event: 'step' }, describeStep(step))
  })
  network.on('world:error', ({ world, error }) =>
    tell({ event: 'world:error', world, error: error.message }, `${world}: ${error.message}`),
  )
  network.on('address:moved', ({ fabric, address, vlan, from, to }) =>
    tell(
      { event: 'address:moved', fabric, address, vlan, from, to },
      `${fabric}: ${address} moved from ${from} to ${to}`,
    ),
  )
  const everySecond = setInterval(() => {
    live?.draw()
    if (json)
      printJson({
        event: 'stats',
        ports: reports.ports(network),
        paths: reports.paths(network),
        timeline: reports.timeline(network),
      })
  }, 1000)
  live?.draw()
  await instance.ended
  clearInterval(everySecond)
  live?.end()
  tell({ event: 'down', name }, `${name}: down`)
}
