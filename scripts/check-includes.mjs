// Checks that the includes under native/ keep the layers of ARCHITECTURE.md; run by lint.mjs.
//   - an include in quotes names a file from native/, of the same folder or of one in a layer below;
//   - only native/binding includes <napi.h>;
//   - only os, io and ports include the headers of system calls.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

import { Stop, filesUnder, inRoot, main } from './tools.mjs'

const layers = [
  ['os'],
  ['frame'],
  ['io'],
  ['fabrics', 'filters', 'impairments', 'capture'],
  ['ports', 'lines'],
  ['pipeline'],
  ['runtime'],
  ['binding'],
]
const layerOf = (folder) => layers.findIndex((layer) => layer.includes(folder))

const callers = ['os', 'io', 'ports']
const systemCall =
  /^(unistd|fcntl|poll|sched|termios|spawn|sys\/.*|linux\/.*|net\/.*|netinet\/.*|netpacket\/.*|arpa\/.*)\.h$/
/** These declare formats and constants and nothing to call. */
const formats = ['linux/filter.h', 'linux/if_ether.h']

/** What is wrong with one include of a file in a folder of native/, or nothing. */
function complaint(folder, quoted, name) {
  if (quoted) {
    const target = name.split('/')[0]
    if (!existsSync(inRoot('native', name))) return 'is not a path from native/'
    if (target !== folder && layerOf(target) >= layerOf(folder)) return `${folder} is not above ${target}`
  } else if (name === 'napi.h' || name === 'node_api.h') {
    if (folder !== 'binding') return 'only binding knows Node'
  } else if (systemCall.test(name) && !formats.includes(name) && !callers.includes(folder)) {
    return `only ${callers.join(', ')} make system calls`
  }
}

await main(() => {
  const complaints = filesUnder('native').flatMap((file) => {
    const folder = file.split(path.sep)[1]
    if (layerOf(folder) < 0) return [`${file}: native/${folder} is not in a layer`]
    return readFileSync(inRoot(file), 'utf8')
      .split('\n')
      .flatMap((line, index) => {
        const include = /^\s*#\s*include\s*(["<])([^">]+)/.exec(line)
        const wrong = include && complaint(folder, include[1] === '"', include[2])
        return wrong ? [`${file}:${index + 1}: ${include[2]}: ${wrong}`] : []
      })
  })
  if (complaints.length > 0) throw new Stop(complaints.join('\n'))
})
