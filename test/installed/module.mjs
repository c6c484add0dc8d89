// An installed package from a module: the addon is there, and the engine ends.
import { Hub, MemoryPort } from 'etherloom'
import manifest from 'etherloom/package.json' with { type: 'json' }

const hub = new Hub()
await hub.attach(new MemoryPort({ name: 'me' }))
await hub.close()
console.log(`module: ${manifest.version}`)
