/** The table that `etherloom up` draws on a terminal. */
import { expect } from 'chai'
import { LiveView } from '../../bin/live.js'
import type { ControlClient } from '../../lib/control/client.js'

describe('the live table', () => {
  it('is drawn once for notes that come together, with the last of them, and at its end', async () => {
    const view = new LiveView({ call: () => Promise.resolve([]) } as unknown as ControlClient)
    const write = process.stdout.write.bind(process.stdout)
    const pictures: string[] = []
    process.stdout.write = (text: string | Uint8Array) => pictures.push(String(text)) > 0
    try {
      await view.draw()
      for (let number = 1; number <= 1000; number++) view.note(`note ${number}.`)
      view.end()
    } finally {
      process.stdout.write = write
    }
    expect(pictures).to.have.lengthOf(2)
    for (const number of [996, 1000]) expect(pictures[1]).to.contain(`note ${number}.`)
    expect(pictures[1]).not.to.contain('note 995.')
  })
})
