// Checks format and code of both languages: `npm run lint`; with --fix (`npm run format`) mends what tools
// can mend, with --tidy also runs clang-tidy, which takes minutes. Every check runs, whatever the ones before
// it found.
import { parseArgs } from 'node:util'

import { Stop, filesUnder, main, run, runPackage } from './tools.mjs'

const { values } = parseArgs({ options: { fix: { type: 'boolean' }, tidy: { type: 'boolean' } } })
const nativeFiles = filesUnder('native', 'test/native', 'test/reference', 'bench').filter((name) =>
  /\.(c|h|cpp|hpp)$/.test(name),
)

const checks = {
  'clang-format': () =>
    run('clang-format-14', [...(values.fix ? ['-i'] : ['--dry-run', '-Werror']), ...nativeFiles]),
  'include order': () => run(process.execPath, ['scripts/check-includes.mjs']),
  'import order': () => run(process.execPath, ['scripts/check-imports.mjs']),
  prettier: () =>
    runPackage('prettier/bin/prettier.cjs', ['--log-level=warn', values.fix ? '--write' : '--check', '.']),
  eslint: () =>
    runPackage('eslint/bin/eslint.js', ['--max-warnings=0', ...(values.fix ? ['--fix'] : []), '.']),
}

if (values.tidy) {
  // Without the files that include Node's headers: the core is where the bugs would be.
  const core = filesUnder('native').filter(
    (name) => name.endsWith('.cpp') && !name.startsWith('native/binding/'),
  )
  checks['clang-tidy'] = () => run('clang-tidy-14', ['--quiet', ...core, '--', '-std=c++20', '-Inative'])
}

await main(() => {
  const failed = Object.entries(checks).filter(([title, check]) => {
    try {
      check()
      console.log(`${title}: ok`)
      return false
    } catch (error) {
      if (!(error instanceof Stop)) throw error
      console.error(`${title}: FAILED`)
      return true
    }
  })
  if (failed.length > 0) throw new Stop(`lint failed: ${failed.map(([title]) => title).join(', ')}`)
})
