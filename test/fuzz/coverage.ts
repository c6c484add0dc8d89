/** Which blocks of lib/ and of what it depends on have run, by the coverage that V8 keeps. */
import { Session } from 'node:inspector/promises'

export class Coverage {
  readonly #session = new Session()

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Those that have run since it was asked last. */
  async taken(): Promise<Set<string>> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage')
    const blocks = new Set<string>()
    for (const { scriptId, url, functions } of result) {
      if (!url.startsWith('file:') || url.includes('/test/')) continue
      for (const { ranges } of functions)
        for (const { startOffset, endOffset, count } of ranges)
          if (count > 0) blocks.add(`${scriptId}:${startOffset}-${endOffset}`)
    }
    return blocks
  }

  stop(): void {
    this.#session.disconnect()
  }
}
