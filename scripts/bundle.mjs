// Bundles lib/ and bin/ into dist/, in few files, and writes the licences of the packages that are in them.
// Started by build-lib.mjs as a program of its own. Decision 0043 says why.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { build, transform } from 'esbuild'

import { Stop, filesUnder, inRoot, main, root } from './tools.mjs'

/** What is started or imported by its path. What they share, and what is loaded when it is used, is in dist/parts/. */
const entryPoints = ['lib/index', 'lib/testing/index', 'bin/etherloom', 'bin/demo/peer']

/**
 * Files that are put into one. esbuild makes a file of what is needed by the same entry points and calls of `import()`, which are
 * dozens of small files, and to open one takes longer than to read it. The first is what every command needs, the second what
 * every network does.
 */
const together = [
  ['lib/values'],
  ['policy', 'engine', 'capture', 'gateway', 'ports', 'timeline', 'fabrics', 'world'].map(
    (room) => `lib/${room}`,
  ),
].map((rooms) => filesUnder(...rooms).filter((file) => !['lib/fabrics/storm.ts'].includes(file)))

const settings = {
  absWorkingDir: root,
  entryPoints: Object.fromEntries(entryPoints.map((name) => [name, `${name}.ts`])),
  outdir: 'dist',
  chunkNames: 'parts/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['node-gyp-build'], // what the script 'install' of the package calls, too
  alias: { yaml: inRoot('node_modules/yaml/browser/index.js') }, // the same sources as modules, so that they can be split
  // Packages that are CommonJS ask for built-in modules by this.
  banner: {
    js: "import { createRequire as makeRequire } from 'node:module'\nconst require = makeRequire(import.meta.url)",
  },
  sourcemap: true,
  sourcesContent: false,
  metafile: true,
  logLevel: 'warning',
}

/** The sources that a file of dist/ has or imports at once. */
function sourcesOf(outputs, file, seen = new Set()) {
  if (seen.has(file)) return []
  seen.add(file)
  const imported = outputs[file].imports.filter(
    ({ kind, external }) => kind === 'import-statement' && !external,
  )
  return [
    ...Object.keys(outputs[file].inputs),
    ...imported.flatMap((each) => sourcesOf(outputs, each.path, seen)),
  ]
}

/** Has every entry point that needs a file of a group import the whole group, so that all need the same. */
function grouping({ outputs }) {
  const groupsOf = new Map()
  for (const [file, { entryPoint }] of Object.entries(outputs)) {
    if (!entryPoint?.endsWith('.ts')) continue
    if (together.flat().includes(entryPoint))
      throw new Stop(
        `${entryPoint} is loaded by import(); what is bundled with others has to be imported with its importer`,
      )
    const sources = sourcesOf(outputs, file)
    groupsOf.set(
      inRoot(entryPoint),
      together.filter((group) => group.some((source) => sources.includes(source))),
    )
  }
  return {
    name: 'grouping',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path: file }) => {
        const names = (groupsOf.get(file) ?? []).flat().filter((name) => inRoot(name) !== file)
        const text = readFileSync(file, 'utf8')
        const imports = names.map((name) => `import ${JSON.stringify(inRoot(name))};`).join('')
        return {
          loader: 'ts',
          contents: text.startsWith('#!') ? text.replace('\n', `\n${imports}`) : imports + text,
        }
      })
    },
  }
}

/** Packages of others are half as large without their layout; ours is for whoever reads a stack. */
const minified = {
  name: 'minified',
  setup({ onLoad }) {
    onLoad({ filter: /\/node_modules\/.*\.js$/ }, async ({ path: file }) => ({
      contents: (await transform(await readFile(file, 'utf8'), { minify: true })).code,
    }))
  },
}

/** They ask to stand beside every copy. */
function licencesOf({ inputs }) {
  const names = Object.keys(inputs).map((name) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(name)?.[1])
  const texts = [...new Set(names)]
    .filter(Boolean)
    .sort()
    .map((name) => {
      const folder = inRoot('node_modules', name)
      const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
      const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each))
      if (file === undefined) throw new Error(`${name} has no file with its licence`)
      return `${name} ${version}\n\n${readFileSync(path.join(folder, file), 'utf8').trim()}\n`
    })
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}

await main(async () => {
  const { metafile } = await build({ ...settings, write: false })
  await build({ ...settings, plugins: [grouping(metafile), minified] })
  writeFileSync(inRoot('dist/LICENSES.txt'), licencesOf(metafile))
})
