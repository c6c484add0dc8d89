// What `npm pack` and `npm publish` add to the sources: dist/, and the prebuilt addons. All of them are published;
// ETHERLOOM_PREBUILDS=x64-glibc makes only those that are named, by commas, which is enough to try the package here.
import { buildLib } from './build-lib.mjs'
import { prebuild, targetsNamed } from './prebuild.mjs'
import { main } from './tools.mjs'

await main(() => {
  buildLib()
  prebuild(targetsNamed((process.env.ETHERLOOM_PREBUILDS ?? '').split(',').filter(Boolean)))
})
