/** Where the package is, and which: files that are started or read by their paths. Called by the command line and its demo. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)
const manifest = 'etherloom/package.json'

/** The absolute path of a file of the package. */
export const inPackage = (file: string): string => join(dirname(require.resolve(manifest)), file)

/** Whether this is the TypeScript that dist/ is made of, as in tests. */
export const fromSources = import.meta.url.endsWith('.ts')

export const { version } = require(manifest) as { version: string }
