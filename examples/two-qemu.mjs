// Two QEMU machines on a hub, each with a port of its own, 20 ms apart: the words after the script's name go to both,
// behind those of their network cards.
//
//     node examples/two-qemu.mjs -m 256 -nographic -snapshot disk.qcow2
//
// Needs QEMU 7.2 or later, and no privilege. Ends when both machines have ended; Ctrl-C ends them.
import { once } from 'node:events'
import { Hub } from 'etherloom'

const hub = new Hub({ name: 'lab' })
const machines = []
try {
  for (const number of [1, 2]) {
    const { program } = await hub.spawn(
      'qemu-system-x86_64',
      ({ netdev }) => [
        ...netdev('net0'),
        ...['-device', `virtio-net-pci,netdev=net0,mac=02:00:00:00:00:0${number}`],
        ...process.argv.slice(2),
      ],
      { name: `machine${number}` },
    )
    machines.push(program)
  }
  await hub.between('machine1', 'machine2').allow({ delay: '20ms' })
  console.log('both machines are up, 20 ms apart')
  await Promise.all(
    machines.map((program) => program.exitCode ?? program.signalCode ?? once(program, 'exit')),
  )
} finally {
  for (const program of machines) program.kill()
  await hub.close()
}
