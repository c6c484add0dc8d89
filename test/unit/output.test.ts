/** How the command line lays out tables and sentences on a terminal of any width. */
import { expect } from 'chai'
import { formatTable, wrap } from '../../bin/output.js'

const headings = ['HOST', 'SAYS', 'FRAMES', 'NOTE', 'BYTES']
const rows = [
  ['red', 'hello', 1_234, undefined, 2n ** 64n],
  ['blue', 'a word or two more', 7, undefined, undefined],
]

describe('Tables', () => {
  it('have a line for each row, numbers to the right, and no column that says nothing', () => {
    expect(formatTable(headings, rows)).to.deep.equal([
      'HOST  SAYS                FRAMES                       BYTES',
      'red   hello                1,234  18,446,744,073,709,551,616',
      'blue  a word or two more       7                           -',
    ])
    expect(formatTable(headings, [])).to.deep.equal(['HOST  SAYS  FRAMES  NOTE  BYTES'])
  })

  it('go on below where they do not fit, behind what a row is of', () => {
    expect(formatTable(headings, rows, { width: 40 })).to.deep.equal([
      ...[
        'HOST  SAYS                FRAMES',
        'red   hello                1,234',
        'blue  a word or two more       7',
      ],
      ...[
        '',
        'HOST                       BYTES',
        'red   18,446,744,073,709,551,616',
        'blue                           -',
      ],
    ])
    const two = formatTable(['A', 'B', 'C', 'D'], [['a', 'b', 'c', 'd']], { keys: 2, width: 8 })
    expect(two).to.deep.equal(['A  B  C', 'a  b  c', '', 'A  B  D', 'a  b  d'])
  })

  it('go on in further lines of a row where a word or two would make a column too wide', () => {
    const said = 'one two three four five six seven'
    expect(formatTable(['HOST', 'SAYS', 'N'], [['red', said, 1]], { width: 26 })).to.deep.equal([
      ...['HOST  SAYS', 'red   one two three four', '      five six seven'],
      ...['', 'HOST  N', 'red   1'],
    ])
  })
})

describe('Text', () => {
  it('breaks between words, and never within one', () => {
    expect(wrap('one two three', 7)).to.deep.equal(['one two', 'three'])
    expect(wrap('internationally yours', 6)).to.deep.equal(['internationally', 'yours'])
    expect(wrap('one two three', Infinity)).to.deep.equal(['one two three'])
  })
})
