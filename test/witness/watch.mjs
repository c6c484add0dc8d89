// Shows the frames that libpcap sees on an interface: `watch.mjs INTERFACE FILTER`. Prints "ready", then each frame
// in hex, until it is killed.
import pcap from 'pcap'

const [interfaceName, filter] = process.argv.slice(2)
const capturedLength = 8 // its place in libpcap's header of a packet

const session = pcap.createSession(interfaceName, { filter, buffer_timeout: 1 })
session.on('packet', ({ buf, header }) => {
  console.log(buf.toString('hex', 0, header.readUInt32LE(capturedLength)))
})
console.log('ready')
