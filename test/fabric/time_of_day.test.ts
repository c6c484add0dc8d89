/** The machine's clock is set, by an hour and back: nothing but time stamps is of the time of day. */
import { expect } from 'chai'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDuration } from '../../lib/values/units.js'
import { closing } from '../helpers/fabric.js'
import { Child, describeUnless, lacksProgram, lacksWithSanitizer, testFile } from '../helpers/kernel.js'

const sanitized = lacksWithSanitizer('the sanitizer has to be the first library that is preloaded')

describeUnless(lacksProgram('cc') ?? sanitized, 'where the time of day is set', function () {
  this.timeout(60_000)
  const close = closing()

  it('delays, rates, timelines, storms, keep-alives and new connections keep their times, and stamps of captures their order', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'etherloom-time-'))
    close({ close: () => rmSync(folder, { recursive: true }) })
    const library = join(folder, 'time_of_day.so')
    execFileSync('cc', ['-shared', '-fPIC', '-O', '-o', library, testFile('fabric/programs/time_of_day.c')])
    const shift = join(folder, 'shift')
    writeFileSync(shift, Buffer.alloc(8))
    const surroundings = ['env', `LD_PRELOAD=${library}`, `TIME_OF_DAY_SHIFT=${shift}`]
    const program = testFile('fabric/programs/time_of_day.ts')
    const child = close(new Child([...surroundings, process.execPath, '--import=tsx', program, folder]))

    /** What is late on a machine that others use is not by minutes. */
    const late = 20_000
    for (const minutes of [60, -60, -60, 60]) {
      const met = JSON.parse(await child.line()) as {
        clock: number
        frames: number[]
        steps: number[]
        calmAt: number
        lasted: string
        stormed: number
        connections: number
        alive: number
        passed: number
      }
      const said = JSON.stringify(met)
      expect(met.clock, 'it has seen the step').to.equal(minutes)
      expect(met.stormed, said).to.be.within(30, 39)
      for (const [times, due] of [
        [met.frames, [58, 66, 74, 82, 90]],
        [met.steps, [100, 300, 600]],
        [[met.calmAt], [1020]],
      ] as const) {
        expect(times, said).to.have.length(due.length)
        for (const [index, time] of times.entries())
          expect(time, said).to.be.within(due[index]!, due[index]! + late)
      }
      expect(Number(parseDuration(met.lasted) / 1_000_000n), said).to.be.within(10, late)
      // Half a second between attempts, but for the first ones.
      expect(met.connections, said).to.be.within(1, 7 + met.passed / 500)
      expect(met.alive, said).to.be.within(1, 1 + met.passed / 1000)
    }
    const { stamps, later } = JSON.parse(await child.line()) as { stamps: number[]; later: number }
    expect(stamps).to.have.length(20)
    expect(
      stamps.toSorted((one, other) => other - one),
      'in order',
    ).to.deep.equal(stamps)
    for (const age of stamps) expect(age, 'none of another hour').to.be.within(0, 10 * late)
    expect(later, 'an engine that was made later has the time of day of then').to.equal(60)
  })
})
