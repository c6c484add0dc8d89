/** The port tests once more, by a user without privilege, in namespaces of that user's own. */
import { expect } from 'chai'
import { spawnSync } from 'node:child_process'
import { describeUnless, run, testFile } from '../helpers/kernel.js'

const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']

/** Where unprivileged user namespaces are allowed, anybody is root in one: over its network, and /run for ip(8). */
const ownNamespaces = ['unshare', '--user', '--map-root-user', '--net', '--mount', 'sh', '-c']
const asUser = (script: string, ...args: string[]): string[] => [
  ...(process.getuid?.() === 0 ? nobody : []),
  ...ownNamespaces,
  script,
  'sh',
  ...args,
]

/** Why that cannot be; undefined when it can. */
function lacking(): string | undefined {
  const [program, ...rest] = asUser(
    'mount -t tmpfs none /run && : <>/dev/net/tun && : <"$1"',
    testFile('rootless'),
  )
  const { status, stderr } = spawnSync(program!, rest, { encoding: 'utf8' })
  return status === 0 ? undefined : stderr.trim()
}

interface Report {
  stats: { passes: number; pending: number }
  failures: { fullTitle: string; err: { message: string } }[]
}

describeUnless(lacking(), 'without root', function () {
  this.timeout(300_000)

  for (const name of ['tap', 'packet', 'stacks']) {
    it(`all tests of ports/${name}.test.ts pass`, async () => {
      const script = 'mount -t tmpfs none /run && { "$@" || true; }'
      // The loader's cache would be another user's.
      const mocha = ['env', 'TSX_DISABLE_CACHE=1', process.execPath, 'node_modules/mocha/bin/mocha.js']
      const output = await run(asUser(script, ...mocha, '--reporter=json', testFile(`ports/${name}.test.ts`)))
      const { stats, failures } = JSON.parse(output) as Report
      expect(failures.map(({ fullTitle, err }) => `${fullTitle}: ${err.message}`)).to.deep.equal([])
      expect(stats).to.include({ pending: 0 })
      expect(stats.passes).to.be.above(0)
    })
  }
})
