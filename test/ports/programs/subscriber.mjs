// A program that subscribes to the events of an instance by the path of its socket: `subscriber.mjs PATH`. Says
// `subscribed`, and when the connection has ended `ended after BYTES`.
import { connect } from 'node:net'

const socket = connect(process.argv[2])
let bytes = 0
socket.write('{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{}}\n')
socket.once('data', () => console.log('subscribed'))
socket.on('data', (piece) => (bytes += piece.length))
socket.on('error', () => undefined)
socket.on('close', () => console.log(`ended after ${bytes}`))
