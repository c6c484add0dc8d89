// What one writes without etherloom: a hub in JavaScript alone, on TAPs that somebody opens for it.

import { built } from '../build.js'
import { forwarder, placesOf, tapProbe } from './c-loops.js'

export const javascriptHub = forwarder('JavaScript hub', tapProbe, (network) => [
  built('with_taps'),
  ...placesOf(network),
  '--',
  process.execPath,
  built('javascript-hub.js'),
  String(network.ports.length),
])
