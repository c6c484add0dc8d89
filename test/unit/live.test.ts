/** The table that `etherloom up` draws on a terminal. */
import { expect } from 'chai'
import { LiveView } from '../../bin/live.js'
import type { ControlClient } from '../../lib/control/client.js'

const stdout = process.stdout as { rows?: number; columns?: number }

/** What a terminal shows of what is written to it; it neither scrolls nor wraps, and fails where it would have to. */
class Screen {
  lines: string[] = []
  #at = 0

  take(text: string): void {
    const { rows = 0, columns = 0 } = stdout
    this.#at = Math.min(this.#at, rows - 1) // where it has become smaller
    for (const piece of text.match(/\x1b\[\??\d*[A-Za-z]|[^\x1b\n]+|\n/g) ?? []) {
      const [, count, order] = /^\x1b\[\??(\d*)([A-Za-z])$/.exec(piece) ?? []
      if (order === 'A') this.#at -= Number(count)
      else if (order === 'H') this.#at = 0
      else if (order === 'J') this.lines.length = this.#at
      else if (piece === '\n') this.lines[this.#at++] ??= ''
      else if (order === undefined) this.lines[this.#at] = piece
      expect(this.#at, 'the line of the cursor').to.be.within(0, rows - 1)
      if (order === undefined) expect(piece.length, piece).to.be.at.most(columns)
    }
  }
}

const port = (number: number, leadsTo = `b.port-${number}`): object => ({
  ...{ fabric: 'core', port: `port-${number}`, leadsTo, state: 'up', carrier: 'on' },
  ...{ receivedFrames: 0n, receivedBytes: 0n, transmittedFrames: 0n, transmittedBytes: 0n, dropped: 0n },
})
const path = (number: number): object => ({
  ...{ fabric: 'core', from: `port-${number}`, to: 'port-1', allowed: true },
  policy: { delay: '40ms', jitter: '5ms', loss: 0.01, rate: '10Mbit', queue: '100 frames' },
  ...{ delivered: 0n, deliveredBytes: 0n, dropped: 0n, waiting: 0n, inFlight: 0n },
})
const several = (count: number, row: (number: number) => object): object[] =>
  Array.from({ length: count }, (_, index) => row(index + 1))

describe('the live table', () => {
  const { rows, columns } = stdout
  let screen: Screen

  beforeEach(() => {
    screen = new Screen()
  })
  afterEach(() => {
    Object.assign(stdout, { rows, columns })
  })

  /** What is written while something is done. */
  const written = async (act: () => unknown): Promise<string[]> => {
    const write = process.stdout.write.bind(process.stdout)
    const pictures: string[] = []
    process.stdout.write = (text: string | Uint8Array) => pictures.push(String(text)) > 0
    try {
      await act()
    } finally {
      process.stdout.write = write
    }
    return pictures
  }
  /** What the screen shows then. */
  const drawn = async (act: () => unknown): Promise<string[]> => {
    for (const picture of await written(act)) screen.take(picture)
    return [...screen.lines]
  }
  const viewOf = (reports: Record<string, object[]>): LiveView =>
    new LiveView({ call: (what: string) => Promise.resolve(reports[what] ?? []) } as unknown as ControlClient)

  it('is drawn once for notes that come together, with the last of them, and at its end', async () => {
    const view = viewOf({})
    const pictures = await written(async () => {
      await view.draw()
      for (let number = 1; number <= 1000; number++) view.note(`note ${number}.`)
      view.end()
    })
    expect(pictures).to.have.lengthOf(2)
    for (const number of [996, 1000]) expect(pictures[1]).to.contain(`note ${number}.`)
    expect(pictures[1]).not.to.contain('note 995.')
  })

  it('fits terminals of all sizes, with the last note, also when the size changes', async () => {
    const before = process.stdout.listenerCount('resize')
    const view = viewOf({
      ports: several(40, (number) => port(number)),
      paths: several(30, path),
      timeline: several(9, (number) => ({ fabric: 'core', entry: `one > two loss=${number}`, taken: 1 })),
    })
    view.note('a note before it')
    view.note(
      'up with 40 ports; Ctrl-C ends it, which is said here in many more words than fit into some lines',
    )
    Object.assign(stdout, { rows: 24, columns: 80 })
    await drawn(() => view.draw())
    for (const [width, height] of [
      ...[
        [80, 24],
        [60, 15],
        [200, 50],
        [40, 6],
        [12, 3],
        [5, 2],
        [300, 200],
        [80, 24],
      ],
    ] as [number, number][]) {
      Object.assign(stdout, { rows: height, columns: width })
      const resized = await drawn(() => process.stdout.emit('resize'))
      expect(resized.at(-1), `${width}x${height}`).to.match(/^up w/)
      expect(await drawn(() => view.draw())).to.deep.equal(resized)
    }
    view.end()
    expect(process.stdout.listenerCount('resize')).to.equal(before)
  })

  it('leaves out columns and rows by what matters least, and says how many rows', async () => {
    const view = viewOf({
      ports: several(40, (number) => port(number, 'an interface with a name that is rather long')),
      paths: several(2, path),
    })
    view.note('lab: up with 40 ports; Ctrl-C ends it')
    Object.assign(stdout, { rows: 15, columns: 60 })
    expect(await drawn(() => view.draw())).to.deep.equal([
      'PORT         STATE  RECEIVED/s  RATE     SENT/s  DROPPED',
      'core.port-1  up              0  0 bit/s       0        0',
      'core.port-2  up              0  0 bit/s       0        0',
      'core.port-3  up              0  0 bit/s       0        0',
      'core.port-4  up              0  0 bit/s       0        0',
      'core.port-5  up              0  0 bit/s       0        0',
      'core.port-6  up              0  0 bit/s       0        0',
      '… 34 more ports',
      '',
      'PATH                  POLICY               FRAMES/s  DROPPED',
      'core.port-1 > port-1  delay=40ms jitter=…         0        0',
      'core.port-2 > port-1  delay=40ms jitter=…         0        0',
      '',
      'lab: up with 40 ports; Ctrl-C ends it',
    ])
    view.end()
  })
})
