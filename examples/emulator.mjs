// An emulator that carries its network in itself: the network card of a machine that is emulated in JavaScript is a
// MemoryPort. Two machines on a hub, 5 ms apart; the first pings the second.
//
//     node examples/emulator.mjs
//
// Needs no privilege: nothing here is known to the kernel. Attach a TapPort to the same hub, and the host joins them.
import { Hub, MemoryPort } from 'etherloom'

/** What an emulator has between a card's registers and the network: frames out, frames in. */
class NetworkCard {
  /** Called with each frame for this card, as an interrupt would. */
  receive = () => undefined

  constructor(port, mac) {
    this.port = port
    this.mac = Buffer.from(mac.replaceAll(':', ''), 'hex')
    void this.#run()
  }

  /** The machine has put a frame into the card's memory and rings its bell. */
  transmit(frame) {
    this.port.send(frame)
  }

  /** Frames come in batches; they are valid until the next batch, so the card copies what it keeps. */
  async #run() {
    for await (const batch of this.port)
      for (const frame of batch) if (this.#isMine(frame)) this.receive(Buffer.from(frame))
  }

  #isMine(frame) {
    const broadcast = frame.subarray(0, 6).every((byte) => byte === 0xff)
    return broadcast || this.mac.equals(frame.subarray(0, 6))
  }
}

/** The machine behind the card. This one knows one protocol: it answers what asks, under an ether type for experiments. */
class Machine {
  #waiting = new Map()
  #asked = 0

  constructor(card) {
    this.card = card
    card.receive = (frame) => this.#interrupt(frame)
  }

  /** Resolves with the milliseconds until a station has answered. */
  ask(mac) {
    const number = ++this.#asked
    const started = performance.now()
    this.#send(mac, 'ask', number)
    return new Promise((resolve) => this.#waiting.set(number, () => resolve(performance.now() - started)))
  }

  #interrupt(frame) {
    if (frame.readUInt16BE(12) !== 0x88b5) return
    const number = frame.readUInt32BE(17)
    if (frame.toString('latin1', 14, 17) === 'ask') this.#send(frame.subarray(6, 12), 'say', number)
    else this.#waiting.get(number)?.()
  }

  #send(to, word, number) {
    const frame = Buffer.alloc(60)
    to.copy(frame, 0)
    this.card.mac.copy(frame, 6)
    frame.writeUInt16BE(0x88b5, 12)
    frame.write(word, 14, 'latin1')
    frame.writeUInt32BE(number, 17)
    this.card.transmit(frame)
  }
}

const hub = new Hub({ name: 'lab' })
try {
  const machines = []
  for (const number of [1, 2]) {
    const port = await hub.attach(new MemoryPort({ name: `machine${number}` }))
    machines.push(new Machine(new NetworkCard(port, `02:00:00:00:00:0${number}`)))
  }
  await hub.between('machine1', 'machine2').allow({ delay: '5ms' })
  const [first, second] = machines
  for (let number = 1; number <= 5; number++) {
    const milliseconds = await first.ask(second.card.mac)
    console.log(`answer ${number} after ${milliseconds.toFixed(1)} ms`)
  }
} finally {
  await hub.close()
}
