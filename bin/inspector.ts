/**
 * Keeps Node's inspector closed: SIGUSR1 would open it, at a port of the loopback interface where every user of the machine
 * may run code as ours. Imported before all else; it does its work when it is loaded.
 */
process.on('SIGUSR1', () => undefined)
