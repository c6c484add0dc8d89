// What `npm pack` and `npm publish` add to the sources: dist/, and the addon for this machine under
// prebuilds/. The prebuild is made in a directory of its own because prebuildify first removes the build that
// it finds.
import { rmSync } from 'node:fs'

import { buildLib } from './build-lib.mjs'
import { gypEnvironment, linkSources } from './gyp.mjs'
import { inRoot, main, runPackage } from './tools.mjs'

await main(() => {
  buildLib()
  rmSync(inRoot('prebuilds'), { recursive: true, force: true })
  linkSources('build/prebuild')
  const target = `--target=${process.versions.node}`
  runPackage(
    'prebuildify/bin.js',
    ['--napi', '--strip', '--tag-libc', '--quiet', target, '--cwd=build/prebuild', '--out=.'],
    { env: gypEnvironment() },
  )
})
