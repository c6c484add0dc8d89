// An installed command line: an example comes up, its hosts reach each other, it ends in order. Words of the command line are
// options of `up`.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const etherloom = ['npx', '--no-install', 'etherloom']
const ask = (...words) => execFileSync(etherloom[0], [...etherloom.slice(1), ...words], { encoding: 'utf8' })

const words = ['up', '--json', 'node_modules/etherloom/examples/three-hosts.yaml', ...process.argv.slice(2)]
const up = spawn(etherloom[0], [...etherloom.slice(1), ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
const lines = createInterface({ input: up.stdout })
const ended = once(up, 'close')
const events = []
let shown = () => undefined
const first = new Promise((resolve) => (shown = resolve))
lines.on('line', (line) => {
  events.push(JSON.parse(line))
  if (events.at(-1).event === 'up') shown(events.at(-1))
})
const { name, pid } = await Promise.race([
  first,
  ended.then(([code]) => assert.fail(`'up' has ended with ${code} before it was up`)),
])
assert.equal(name, 'three-hosts')
assert.match(ask('show', 'ports'), /wifi.*red/)
assert.match(ask('exec', 'red', 'ping', '-c', '1', '-W', '5', '10.0.0.2'), / 1 received/)
process.kill(pid, 'SIGTERM')
assert.equal((await ended)[0], 0)
assert.equal(events.at(-1).event, 'down')
console.log('up: ok')
