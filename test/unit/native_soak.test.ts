/** What the native soak makes of a program that fails in the ways of one: the program is a script here. */
import { expect } from 'chai'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { soakBinary } from '../soak/native.js'

describe('The native soak', () => {
  let folder: string
  before(() => (folder = mkdtempSync(join(tmpdir(), 'etherloom-soak-test-'))))
  after(() => rmSync(folder, { recursive: true }))

  async function soaked(script: string): Promise<{ well: boolean; said: string }> {
    const binary = join(folder, 'soak')
    writeFileSync(binary, `#!/bin/sh\n${script}\n`)
    chmodSync(binary, 0o755)
    const said: string[] = []
    const say = (line: string) => said.push(line)
    const { signal } = new AbortController()
    const well = await soakBinary(binary, { minutes: 1, seed: 7, sanitize: 'thread', say, signal })
    return { well, said: said.join('\n') }
  }

  it('sums up rounds that went well', async () => {
    const { well, said } = await soaked(`
      test "$*" = "--soak seed=7 minutes=1" || exit 3
      for round in 0 1 2; do echo "round $round 8"; echo "done 100 1000000 5 1"; done`)
    expect(said).to.match(/\n3 rounds, 300 frames offered in \d+ s/)
    expect(well).to.equal(true)
  })

  it('finds a process that grows', async () => {
    const { well, said } = await soaked(`
      for round in $(seq 0 99); do echo "round $round 8"; echo "done 100 1000000 $((5 + round)) 1"; done`)
    expect(said).to.include('descriptors grew from')
    expect(well).to.equal(false)
  })

  it('makes the program of a round in which the process died smaller, and says how to repeat it', async () => {
    const { well, said } = await soaked(`
      case "$*" in
        *steps=*)
          echo "round 1 8"
          case ",\${*##*steps=}," in
            *,3,*,6,*|*,3,6,*) echo "step 3 storm"; kill -ABRT $$ ;;
          esac ;;
        *) echo "round 0 8"; echo "done 100 1000000 5 1"; echo "round 1 8"; kill -ABRT $$ ;;
      esac`)
    expect(said).to.include('FAILED in round 1 of seed 7: died: SIGABRT')
    expect(said).to.include('8 steps were made 2:\nstep 3 storm\ndied: SIGABRT')
    expect(said).to.include(
      'repeat it: npm run soak -- --native --sanitize=thread --seed 7 --round 1 --steps 3,6',
    )
    expect(well).to.equal(false)
  })

  it('says so where a round does not fail again', async () => {
    const { well, said } = await soaked(`
      case "$*" in *steps=*) exit 0 ;; esac
      echo "round 0 2"; echo "fault at step 1, stop: never quiet"; exit 1`)
    expect(said).to.include('FAILED in round 0 of seed 7: at step 1, stop: never quiet')
    expect(said).to.include('it did not fail again, whole or in part')
    expect(well).to.equal(false)
  })
})
