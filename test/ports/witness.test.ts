/** Witnesses that know nothing of etherloom: a raw socket sends, libpcap watches both ends. */
import { expect } from 'chai'
import { existsSync } from 'node:fs'
import { Hub } from '../../lib/index.js'
import { closing } from '../helpers/fabric.js'
import { describeUnless, lacksNetwork, lacksWithSanitizer, testFile, type Child } from '../helpers/kernel.js'
import { connect, type Host } from '../helpers/network.js'

const addons = ['pcap/build/Release/pcap_binding.node', 'raw-socket/build/Release/raw.node']
const missing = addons.some((addon) => !existsSync(testFile(`witness/node_modules/${addon}`)))
  ? 'npm pcap and raw-socket are not built in test/witness'
  : undefined
const sanitized = lacksWithSanitizer('raw-socket frees what it made with another size')

describeUnless(lacksNetwork() ?? missing ?? sanitized, 'witnesses', function () {
  this.timeout(120_000)
  const close = closing()

  it('see each frame leave one TAP and arrive at the other once, with the same bytes', async () => {
    const [left, right] = (await connect(close(new Hub()), close, 2)) as [Host, Host]
    const [leaving, arriving] = [await watch(left), await watch(right)]
    const count = 15
    const echo = left.start(process.execPath, testFile('witness/echo.mjs'), right.address, `${count}`)
    const messages = (await echo.rest()).split('\n')
    expect(messages).to.have.length(count)

    // Behind them all: if one had come twice, this would not be next.
    await left.run('ping', '-q', '-n', '-c', '1', '-p', 'e7', right.address)
    const sent = await lines(leaving, count + 1)
    expect(await lines(arriving, count + 1)).to.deep.equal(sent)
    expect(sent.at(-1)).to.match(/(e7){40}$/)
    const [ethernet, ip] = [14, 20]
    const icmpOf = (frame: string) => frame.slice((ethernet + ip) * 2)
    expect(sent.slice(0, count).map(icmpOf)).to.deep.equal(messages)
  })
})

/** Watches the echo requests at a host's interface. */
async function watch(host: Host): Promise<Child> {
  const program = host.start(
    process.execPath,
    testFile('witness/watch.mjs'),
    'eth0',
    'icmp[icmptype] == icmp-echo',
  )
  expect(await program.line()).to.equal('ready')
  return program
}

async function lines(program: Child, count: number): Promise<string[]> {
  const all: string[] = []
  while (all.length < count) all.push(await program.line())
  return all
}
