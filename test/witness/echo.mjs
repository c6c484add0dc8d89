// Sends ICMP echo requests through a raw socket, each when the one before was answered: `echo.mjs ADDRESS COUNT`.
// Prints each ICMP message that it sends, in hex, and ends with the last answer.
import raw from 'raw-socket'

const [address, count] = process.argv.slice(2)
const [echoReply, echoRequest, headerLength] = [0, 8, 8]
const identifier = 0x6574

const socket = raw.createSocket({ protocol: raw.Protocol.ICMP })
socket.on('error', (error) => {
  throw error
})

function send(number) {
  const message = Buffer.alloc(headerLength + number * 97, number)
  message.writeUInt32BE(echoRequest << 24, 0)
  message.writeUInt16BE(identifier, 4)
  message.writeUInt16BE(number, 6)
  raw.writeChecksum(message, 2, raw.createChecksum(message))
  console.log(message.toString('hex'))
  socket.send(message, 0, message.length, address, (error) => {
    if (error) throw error
  })
}

socket.on('message', (packet) => {
  const message = packet.subarray((packet[0] & 0xf) * 4)
  if (message[0] !== echoReply || message.readUInt16BE(4) !== identifier) return
  const number = message.readUInt16BE(6)
  if (number < Number(count)) send(number + 1)
  else socket.close()
})

send(1)
