/** What `etherloom ubridge` is made of. */
export { Hypervisor } from './hypervisor.js'
export { Orders } from './orders.js'
export { ConsoleServer, consolePlace } from './server.js'
