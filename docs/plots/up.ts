// Draws up.svg, what `etherloom up` shows on a terminal, from a run of the real command: `npm run plots -- up`. Rates are
// those of that run. Needs what `etherloom up` needs, and script(1), which gives it a terminal.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Screen, screenToSvg } from './screen.js'

const root = path.resolve(import.meta.dirname, '../..')
const program = path.join(root, 'dist/bin/etherloom.js')
const file = 'examples/three-hosts.yaml'
/** As many as its tables have, so that none is cut. */
const columns = 104

/** The picture, as SVG. */
export async function drawUp(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'etherloom-up-')) // for its control socket, apart from others
  const env = { ...process.env, ETHERLOOM_CONTROL_DIRECTORY: directory }
  const etherloom = (...words: string[]): Promise<unknown> =>
    promisify(execFile)(process.execPath, [program, ...words], { env })
  const screen = new Screen()
  const command = `stty rows 24 cols ${columns}; exec '${process.execPath}' '${program}' up ${file}`
  const up = spawn('script', ['--quiet', '--command', command, '/dev/null'], {
    cwd: root,
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    let shown = ''
    up.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text))
    while (!shown.includes('PATH ')) {
      await Promise.race([once(up.stdout, 'data'), once(up, 'exit')])
      if (up.exitCode !== null) throw new Error(`etherloom up has ended: ${shown}`)
    }
    const pings = [etherloom('exec', 'red', 'ping', '-q', '-i', '0.01', '-w', '6', '10.0.0.2')]
    pings.push(etherloom('exec', 'green', 'ping', '-q', '-i', '0.02', '-s', '1400', '-w', '6', '10.0.0.3'))
    await wait(2000)
    await etherloom('path', 'red', 'green', 'delay=40ms', 'rate=5Mbit')
    await wait(2500)
    screen.write(shown)
    await Promise.allSettled(pings)
    await etherloom('down')
    await once(up, 'exit')
  } finally {
    up.kill()
    await rm(directory, { recursive: true })
  }
  return screenToSvg(columns, `etherloom up ${file}`, [`$ npx etherloom up ${file}`, '', ...screen.lines()])
}
