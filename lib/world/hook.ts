/** The command that a world runs after each step. Called by World; one at a time. */
import { spawn, type ChildProcess } from 'node:child_process'
import { EtherloomError } from '../values/errors.js'
import { tied } from '../values/programs.js'

export class Hook {
  readonly #command: string
  #child: ChildProcess | undefined
  #ended = false

  constructor(command: string) {
    this.#command = command
  }

  /** `step` is what the command reads. @throws EtherloomError ERR_ETHERLOOM_DEVICE when it cannot be started or ends with another code than 0 */
  async run(world: string, step: { readonly step: number }): Promise<void> {
    if (this.#ended) return
    const env = { ...process.env, ETHERLOOM_WORLD: world, ETHERLOOM_STEP: `${step.step}` }
    const [program, words] = await tied('/bin/sh', ['-c', this.#command])
    if (this.#ended as boolean) return
    const child = spawn(program, words, {
      detached: true,
      stdio: ['pipe', 'inherit', 'inherit'],
      env,
    })
    this.#child = child
    child.stdin.on('error', () => undefined) // who does not read it need not
    child.stdin.end(`${JSON.stringify({ world, ...step })}\n`)
    const how = await new Promise<string | undefined>((resolve) => {
      child.once('error', ({ message }) => {
        resolve(message)
      })
      child.once('exit', (code, signal) => {
        resolve(code === 0 ? undefined : (signal ?? `code ${code}`))
      })
    })
    this.#child = undefined
    if (how !== undefined && !(this.#ended as boolean))
      throw new EtherloomError('ERR_ETHERLOOM_DEVICE', `the hook after step ${step.step} failed (${how})`, {
        hint: `try it by hand: ${this.#command}`,
      })
  }

  /** Ends the one that is running, with what it started; there will be no other. */
  end(): void {
    this.#ended = true
    if (this.#child?.pid !== undefined && this.#child.exitCode === null)
      process.kill(-this.#child.pid, 'SIGTERM')
  }
}
