/**
 * What commands have in common: how one is declared, where what it throws goes, and the instance it speaks to.
 * Called by the files of commands/, which are all loaded at every start; so what a command needs to run, it imports when it runs.
 */
import { Command, Option, type Help } from 'commander'
import type { ControlClient } from '../lib/control/client.js'
import { fail } from './output.js'

export interface Flags {
  json?: boolean
}

/** Of a command for a running instance. */
export interface InstanceFlags extends Flags {
  name?: string
}

/** What a command returns: 0 done, 1 failed, 2 misuse. */
export type ExitCode = number

/** A command, before its arguments and options; `description` is a part of a sentence. */
export function command(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--json', 'print JSON, one value per line, for programs')
}

/** The same for a command that speaks to a running instance. */
export function instanceCommand(name: string, description: string): Command {
  return command(name, description).option('--name <name>', 'the instance; needed when several are running')
}

type HelpWriter = (help: Help) => string
const later = new WeakMap<Command, () => Promise<HelpWriter>>()

/** Gives a command more help, by what has to be loaded for it: only where help is asked for. */
export function helpLater(command: Command, load: () => Promise<HelpWriter>): Command {
  later.set(command, load)
  return command
}

/** Puts what was left for later behind the help of a command. */
export async function completeHelp(command: Command): Promise<Command> {
  const write = await later.get(command)?.()
  if (write)
    command.addHelpText('after', () => {
      const help = command.createHelp()
      help.prepareContext({ helpWidth: command.configureOutput().getOutHelpWidth?.() ?? 80 })
      return write(help)
    })
  return command
}

/** For a command that names ports. */
export const fabricOption = (): Option =>
  new Option('--fabric <fabric>', 'the fabric, where a port is not named as FABRIC.PORT and is on several')

/** A word as YAML would read it: numbers, true and false; everything else is text. */
export function scalar(word: string): unknown {
  if (word === 'true' || word === 'false') return word === 'true'
  return /^-?\d+(\.\d+)?$/.test(word) ? Number(word) : word
}

/** Runs a command: what `run` throws is printed, and decides the exit code. */
export function action<Given extends [...unknown[], Flags]>(
  run: (...given: Given) => Promise<ExitCode>,
): (...given: [...Given, Command]) => Promise<void> {
  return async (...all) => {
    const given = all.slice(0, -1) as unknown as Given
    try {
      process.exitCode = await run(...given)
    } catch (error) {
      process.exitCode = fail(error, given.at(-1) as Flags)
    }
  }
}

/** Calls `stop` for what asks a program to end in order: Ctrl-C, `kill`, and a terminal that is gone. */
export function onEndSignals(stop: (signal: NodeJS.Signals) => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
}

/** Connects to the instance that is meant, and disconnects whatever comes of it. */
export async function withInstance<Result>(
  options: InstanceFlags,
  use: (instance: ControlClient) => Promise<Result>,
): Promise<Result> {
  const { connect } = await import('../lib/control/connect.js')
  const instance = await connect(options.name === undefined ? {} : { name: options.name })
  try {
    return await use(instance)
  } finally {
    await instance.close()
  }
}
