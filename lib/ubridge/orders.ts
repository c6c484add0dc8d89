/**
 * The lines of all clients of a console: each is taken apart, carried out, one after another, and answered. Called by
 * ConsoleServer.
 */
import { EtherloomError } from '../values/errors.js'
import { quote } from '../values/quote.js'
import type { Answer, Command } from './command.js'
import type { Hypervisor } from './hypervisor.js'
import { wordsOf } from './lexer.js'
import { modules } from './modules/index.js'
import { codes, Refusal, reply } from './replies.js'

/** What is to be sent, nothing for a line without words, and what happens then. */
export interface Said extends Pick<Answer, 'then'> {
  said: string
}

export class Orders {
  readonly #hypervisor: Hypervisor
  #last: Promise<unknown> = Promise.resolve()

  constructor(hypervisor: Hypervisor) {
    this.#hypervisor = hypervisor
  }

  /** Carries out a line, after those before it. What is wrong with it is said. */
  async perform(line: string): Promise<Said> {
    const turn = this.#last.then(() => this.#perform(line))
    this.#last = turn
    return turn
  }

  async #perform(line: string): Promise<Said> {
    let fault: (typeof codes)[keyof typeof codes] = codes.other
    try {
      const [module, name, ...words] = wordsOf(line)
      if (module === undefined) return { said: '' }
      const command = commandOf(module, name, words.length)
      fault = command.fault
      const answer = await command.run(this.#hypervisor, ...words)
      const { text, details, then } = typeof answer === 'string' ? { text: answer } : answer
      return { said: reply(codes.done, text, details), ...(then && { then }) }
    } catch (error) {
      if (error instanceof Refusal) return { said: reply(error.code, error.message) }
      return { said: reply(fault, error instanceof EtherloomError ? error.message : String(error)) }
    }
  }
}

/** @throws Refusal for what is no command, or has too few or too many words */
function commandOf(module: string, name: string | undefined, count: number): Command {
  if (name === undefined)
    throw new Refusal(
      codes.syntax,
      `a command is a module and its command, and this is only ${quote(module)}`,
    )
  const commands = Object.hasOwn(modules, module) ? modules[module] : undefined
  if (!commands)
    throw new Refusal(
      codes.noModule,
      `no module ${quote(module)} here; there are ${Object.keys(modules).join(', ')}`,
    )
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command)
    throw new Refusal(
      codes.noCommand,
      `no command ${quote(name)} of ${quote(module)} here; 'hypervisor cmd_list ${module}' lists them`,
    )
  const [fewest, most] = command.words
  if (count < fewest || count > most)
    throw new Refusal(
      codes.wordCount,
      `'${module} ${name}' takes ${fewest === most ? fewest : `${fewest} to ${most}`} word${most === 1 ? '' : 's'}, not ${count}`,
    )
  return command
}
