// Says in one sentence what is missing where no prebuilt addon fits and the addon has to be compiled, before node-gyp
// says it in thirty lines. Called by node-gyp-build, between that it found no addon and that it starts the compiler.
import { spawnSync } from 'node:child_process'
import os from 'node:os'

const runs = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0

/** C++20 as GCC 10 and clang 10 have it, and more of its library than they had at first. */
const compiles = (command) => {
  const program = '#include <bit>\n#include <span>\nint main() { return std::popcount(0u); }\n'
  return (
    spawnSync(command, ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-'], {
      input: program,
      stdio: ['pipe', 'ignore', 'ignore'],
    }).status === 0
  )
}

const [compiler = 'g++', ...wrapped] = (process.env.CXX ?? 'g++').split(' ').filter(Boolean)
const missing = [
  !runs('make', ['--version']) && 'make',
  !(wrapped.length > 0 || compiles(compiler)) &&
    (runs(compiler, ['--version']) ? `a ${compiler} that knows C++20` : compiler),
  !runs(process.env.PYTHON ?? 'python3', ['--version']) && 'python3',
].filter(Boolean)

if (missing.length > 0) {
  const what = missing.join(' and ')
  console.error(
    `etherloom has no prebuilt addon for this machine (Linux ${os.arch()}), and cannot compile one without ${what}: ` +
      'install that (Debian and Ubuntu: apt-get install make g++ python3) and install etherloom again.',
  )
  process.exit(1)
}
console.error(
  `etherloom compiles its addon for this machine (Linux ${os.arch()}), which takes a minute or two.`,
)
