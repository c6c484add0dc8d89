/** The client for Python and its pytest plug-in pass their own tests, which are written in Python. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { expect } from 'chai'

/** As Debian names it, whose Python need not be the first in the path, and as pip does. */
const runner = ['pytest-3', 'pytest'].find((name) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, name))),
)

describe('clients/python', function () {
  this.timeout(300_000) // against hangs only

  it('passes its tests', function () {
    if (runner === undefined) {
      console.log("      skipped: there is no pytest; Debian's package is python3-pytest")
      return void this.skip()
    }
    const scratch = mkdtempSync(join(tmpdir(), 'el-py-'))
    try {
      const { status, stdout, stderr } = spawnSync(
        runner,
        ['-p', 'no:cacheprovider', '-rs', `--basetemp=${join(scratch, 'pytest')}`, 'clients/python/tests'],
        {
          env: {
            ...process.env,
            ETHERLOOM: `${process.execPath} ${join(process.cwd(), 'dist/bin/etherloom.js')}`,
            PYTHONPATH: 'clients/python/src',
            PYTHONDONTWRITEBYTECODE: '1',
          },
          encoding: 'utf8',
          timeout: 290_000,
        },
      )
      expect(status, stdout + stderr).to.equal(0)
      for (const reason of stdout.match(/^SKIPPED .*/gm) ?? []) console.log(`      ${reason}`)
    } finally {
      rmSync(scratch, { recursive: true })
    }
  })
})
