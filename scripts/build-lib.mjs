// Compiles lib/ and bin/ into dist/ and writes the JSON Schema of topology files beside them.
// Started as `npm run build:lib`; called by setup.mjs and prepack.mjs.
import { chmodSync, rmSync } from 'node:fs'

import { Product, inRoot, isMain, main, run, runPackage } from './tools.mjs'

export const libBuild = new Product({
  output: 'dist/bin/etherloom.js',
  stamp: 'build/lib.stamp',
  inputs: ['lib', 'bin', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
})

/** In a process of its own: the compiled modules of an earlier build may already be loaded in this one. */
const writeSchema = `
  import { topologyJsonSchema } from './dist/lib/topology/schema.js'
  import { writeFileSync } from 'node:fs'
  writeFileSync('dist/topology.schema.json', JSON.stringify(topologyJsonSchema(), null, 2) + '\\n')
`

export function buildLib({ quiet = false } = {}) {
  libBuild.make(() => {
    rmSync(inRoot('dist'), { recursive: true, force: true })
    runPackage('typescript/bin/tsc', ['--project', 'tsconfig.build.json'], { quiet })
    chmodSync(inRoot('dist/bin/etherloom.js'), 0o755)
    run(process.execPath, ['--input-type=module', '--eval', writeSchema], { quiet })
  })
}

if (isMain(import.meta.url)) await main(() => buildLib())
