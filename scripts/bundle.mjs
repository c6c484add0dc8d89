// Bundles lib/ and bin/ into dist/, in few files, and writes the licences of the packages that are in them.
// Started by build-lib.mjs as a program of its own. Decision 0043 says why.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import path from 'node:path'
import { build, transform } from 'esbuild'

import { inRoot, main, root } from './tools.mjs'

/** What is started or imported by its path. What they share, and what is loaded when it is used, is in dist/parts/. */
const entryPoints = ['lib/index', 'lib/testing/index', 'bin/etherloom', 'bin/demo/peer']

/**
 * What users start or import: of each, the files that it loads at once. esbuild makes a file of what is needed by the same
 * entry points and calls of `import()`, which are dozens of small files, and to open one takes longer than to read it. So
 * what each of these has in common with those below it is put into one file, and what is its own into another.
 */
const starts = [
  ['bin/etherloom.ts'],
  ['lib/control/connect.ts', 'lib/control/client.ts'],
  ['lib/topology/load.ts'],
  ['lib/topology/check.ts'],
  ['lib/index.ts'],
]

const isEntryPoint = (file) => entryPoints.some((name) => file === `${name}.ts`)

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
  sourcemap: true,
  sourcesContent: false,
  metafile: true,
  logLevel: 'warning',
}

const importOf = (name) => `import ${JSON.stringify(name)};`

/** A source and the ones that it imports, at once. */
function sourcesOf(inputs, file, seen = new Set()) {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const each of inputs[file].imports)
    if (each.kind !== 'dynamic-import' && !each.external) sourcesOf(inputs, each.path, seen)
  return seen
}

/** Lists of our sources: each list becomes one file. */
function groupsOf(inputs) {
  const needed = starts.map((files) => new Set(files.flatMap((file) => [...sourcesOf(inputs, file)])))
  const left = new Set(Object.keys(inputs).filter((file) => file.endsWith('.ts') && !isEntryPoint(file)))
  const taken = (belongs) => {
    const group = [...left].filter(belongs)
    for (const file of group) left.delete(file)
    return group
  }
  return needed.flatMap((own, at) => [
    taken((file) => own.has(file) && needed.slice(at + 1).some((later) => later.has(file))),
    taken((file) => own.has(file)),
  ])
}

/**
 * Has everybody who needs a file of a group load the whole group, so that all need the same. In place of an entry point, or
 * of what is loaded by `import()`, stands a module that imports those groups and has what the other has.
 */
function grouping({ inputs }) {
  const groups = groupsOf(inputs)
  const importsOf = (file) => {
    const sources = sourcesOf(inputs, file)
    const names = groups.filter((group) => group.some((source) => sources.has(source))).flat()
    return ['builtins', ...names.map((name) => inRoot(name))].map(importOf).join('')
  }
  return {
    name: 'grouping',
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /^[./]|^lib|^bin/ }, async ({ kind, path: name, resolveDir, pluginData }) => {
        if (pluginData === 'found' || !['entry-point', 'dynamic-import'].includes(kind)) return undefined
        const found = await resolve(name, { kind, resolveDir, pluginData: 'found' })
        return { path: path.relative(root, found.path), namespace: 'whole' }
      })
      onLoad({ filter: /./, namespace: 'whole' }, ({ path: file }) => {
        const [first] = readFileSync(inRoot(file), 'utf8').split('\n', 1)
        const line = first.startsWith('#!') ? `${first}\n` : ''
        return {
          contents: `${line}${importsOf(file)}export * from ${JSON.stringify(inRoot(file))}`,
          resolveDir: root,
        }
      })
    },
  }
}

/**
 * Has Node.js load its own modules when something of theirs is first used: `node:crypto` and `node:net` take milliseconds, and
 * few programs need both. Each becomes a CommonJS module, of which esbuild looks up at each use what was imported, in the
 * prototype of its exports too.
 */
const builtins = ({ inputs }) => {
  const used = new Set(
    Object.values(inputs)
      .flatMap(({ imports }) => imports.filter(({ kind }) => kind !== 'dynamic-import'))
      .map((each) => each.path),
  )
  return {
    name: 'builtins',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^node:|^builtins$/ }, ({ path: name, kind }) =>
        kind === 'dynamic-import' ? { external: true } : { path: name, namespace: 'builtin' },
      )
      onLoad({ filter: /^node:/, namespace: 'builtin' }, ({ path: name }) => ({
        contents: `let own
          module.exports = Object.create(
            new Proxy({}, { get: (_, key) => (own ??= process.getBuiltinModule(${JSON.stringify(name)}))[key] }),
            { __esModule: { value: false } })`, // which is asked at once
      }))
      // Packages that are CommonJS may want the module itself, which can be a class; they are loaded when they are used.
      onResolve({ filter: /^[a-z_]+$/ }, ({ path: name, kind }) =>
        kind === 'require-call' && builtinModules.includes(name)
          ? { path: `node:${name}`, namespace: 'whole builtin' }
          : undefined,
      )
      onLoad({ filter: /./, namespace: 'whole builtin' }, ({ path: name }) => ({
        contents: `module.exports = process.getBuiltinModule(${JSON.stringify(name)})`,
      }))
      // All of them, for one file.
      onLoad({ filter: /^builtins$/, namespace: 'builtin' }, () => ({
        contents: [...used]
          .filter((name) => name.startsWith('node:'))
          .map(importOf)
          .join(''),
      }))
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

/**
 * Docstrings are in the declarations. esbuild leaves those of members where they are; without them, the lines of a source
 * are still where they were, for source maps.
 */
const withoutDocstrings = {
  name: 'without docstrings',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path: file }) => ({
      contents: (await readFile(file, 'utf8')).replace(/^[ \t]*\/\*\*.*?\*\//gms, (docstring) =>
        docstring.replace(/.+/g, ''),
      ),
      loader: 'ts',
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
  await build({ ...settings, plugins: [grouping(metafile), builtins(metafile), minified, withoutDocstrings] })
  writeFileSync(inRoot('dist/LICENSES.txt'), licencesOf(metafile))
})
