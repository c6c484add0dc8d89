// Builds the native half with node-gyp: the addon, or with --tests the test binary:
// `node scripts/gyp.mjs [--tests] [--sanitize=LIST]`. Also called by setup.mjs, test.mjs and prepack.mjs.
//
// Theory of operation. node-gyp always builds into ./build of the directory that holds binding.gyp. So the
// plain build is made in the checkout, and any other variant in build/<variant>/, a directory of links to the
// same sources: each variant has its own objects, and make rebuilds in each only what changed.
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { Product, inRoot, isMain, main, runPackage } from './tools.mjs'

/**
 * The environment for node-gyp, whoever starts it: variables for binding.gyp, two jobs, and the headers that
 * came with this Node (node-gyp downloads them where there are none).
 */
function gypEnvironment(defines = '') {
  const prefix = path.dirname(path.dirname(process.execPath))
  const hasHeaders = existsSync(path.join(prefix, 'include/node/node_api.h'))
  return {
    ...process.env,
    GYP_DEFINES: defines,
    npm_package_config_node_gyp_jobs: '2',
    npm_package_config_node_gyp_loglevel: 'warn',
    ...(hasHeaders && { npm_package_config_node_gyp_nodedir: prefix }),
  }
}

/** Runs node-gyp's commands in a directory (absolute), with `env` beside what node-gyp needs itself. */
export function runGyp(commands, directory, { defines, quiet = false, env } = {}) {
  const args = [...commands, `--directory=${directory}`]
  runPackage('node-gyp/bin/node-gyp.js', args, { quiet, env: { ...gypEnvironment(defines), ...env } })
}

/** Makes `directory` (relative to the checkout) look like the checkout to node-gyp. */
export function linkSources(directory) {
  mkdirSync(inRoot(directory), { recursive: true })
  for (const name of ['binding.gyp', 'package.json', 'native', 'scripts', 'test', 'node_modules']) {
    const link = inRoot(directory, name)
    rmSync(link, { force: true })
    symlinkSync(path.relative(inRoot(directory), inRoot(name)), link)
  }
}

/** One way to build the addon or, with `tests`, the native test binary. */
export class NativeBuild {
  /** Relative to the checkout, as node-gyp-build takes it: the addon is in build/Release under it. */
  directory
  #target
  #defines
  #product

  constructor({ tests = false, sanitize = '' } = {}) {
    const variant = sanitize.replaceAll(',', '-')
    this.directory = sanitize ? `build/${variant}` : '.'
    this.#target = tests ? 'native_tests' : 'etherloom'
    this.#defines = `strict=1 tests=${Number(tests)} sanitize=${sanitize}`
    this.#product = new Product({
      output: path.join(this.directory, 'build/Release', tests ? 'native_tests' : 'etherloom.node'),
      stamp: path.join('build', variant, `${this.#target}.stamp`),
      inputs: ['binding.gyp', 'scripts/unite.mjs', 'native', ...(tests ? ['test/native'] : [])],
    })
  }

  /** The native test binary, absolute. */
  get testBinary() {
    return inRoot(this.directory, 'build/Release/native_tests')
  }

  isCurrent() {
    return this.#product.isCurrent()
  }

  make({ quiet = false } = {}) {
    this.#product.make(() => {
      if (this.directory !== '.') linkSources(this.directory)
      runGyp(['configure', 'build', this.#target], inRoot(this.directory), { defines: this.#defines, quiet })
    })
  }
}

if (isMain(import.meta.url)) {
  await main(() => {
    const { values } = parseArgs({ options: { tests: { type: 'boolean' }, sanitize: { type: 'string' } } })
    new NativeBuild(values).make()
  })
}
