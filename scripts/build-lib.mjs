// Makes dist/ of lib/ and bin/: JavaScript in few files, the declarations, and the JSON Schema of topology files.
// Started as `npm run build:lib`; called by setup.mjs and prepack.mjs.
import { chmodSync, rmSync } from 'node:fs'

import { Product, inRoot, isMain, main, run, runPackage } from './tools.mjs'

export const libBuild = new Product({
  output: 'dist/topology.schema.json',
  stamp: 'build/lib.stamp',
  inputs: [
    'lib',
    'bin',
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
    'scripts/bundle.mjs',
    'scripts/declarations.mjs',
  ],
})

/** In a process of its own, which can read TypeScript. */
const writeSchema = `
  import { topologyJsonSchema } from './lib/topology/schema.ts'
  import { writeFileSync } from 'node:fs'
  writeFileSync('dist/topology.schema.json', JSON.stringify(topologyJsonSchema()) + '\\n')
`

export function buildLib({ quiet = false } = {}) {
  libBuild.make(() => {
    rmSync(inRoot('dist'), { recursive: true, force: true })
    runPackage('typescript/bin/tsc', ['--project', 'tsconfig.build.json'], { quiet })
    run(process.execPath, [inRoot('scripts/declarations.mjs')], { quiet })
    run(process.execPath, [inRoot('scripts/bundle.mjs')], { quiet })
    chmodSync(inRoot('dist/bin/etherloom.js'), 0o755)
    run(process.execPath, ['--import=tsx', '--input-type=module', '--eval', writeSchema], { quiet })
  })
}

if (isMain(import.meta.url)) await main(() => buildLib())
