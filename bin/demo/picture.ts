/** The demo's lines of text, without colours: the picture of the scene, and the table. Called by the screen. */
import { percent, rateText } from './findings.js'
import type { Phase, Row } from './phases.js'
import { addresses, nameOf, type Host, type Scene } from './scene.js'

const boxWidth = 13
const gapWidth = 16

/** Three boxes with what lies between them. */
export function picture({ near, far, apart }: Scene): string[] {
  const top = (host: Host): string => `╭${center(` ${host} `, boxWidth, '─')}╮`
  const middle = (host: Host): string => `│${center(addresses[host], boxWidth)}│`
  const bottom = `╰${'─'.repeat(boxWidth)}╯`
  const leg = `╰${center('┬', boxWidth, '─')}╯`
  const gap = (text: string): string => center(text, gapWidth)
  const arrow = `◀${'─'.repeat(gapWidth - 2)}▶`
  const faults = `${percent(far.loss)}, ${rateText(far.rate)}`
  const verdict = apart.allowed ? ' allowed ' : ' denied '
  return [
    ` ${top('red')}${gap('')}${top('green')}${gap('')}${top('blue')}`,
    ` ${middle('red')}${arrow}${middle('green')}${arrow}${middle('blue')}`,
    ` ${leg}${gap(`${near.delay} ms`)}${bottom}${gap(`${far.delay} ms`)}${leg}`,
    ` ${center('│', boxWidth + 2)}${gap('')}${center('', boxWidth + 2)}${gap(faults)}${center('│', boxWidth + 2)}`,
    ` ${' '.repeat(7)}╰${center(verdict, 2 * (gapWidth + boxWidth + 2) - 1, '─')}╯`,
  ].map((line) => line.trimEnd())
}

/** `running`: the phase that measures now. */
export function table(rows: readonly Row[], running?: Phase): string[] {
  return [
    line(' ', 'PATH', 'WHAT', 'ASKED FOR', 'MEASURED', 'AGREES IF'),
    ...rows.map((row, index) => {
      const path = row.relation === rows[index - 1]?.relation ? '' : nameOf(row.relation)
      return line(mark(row, running), path, row.what, row.asked, row.finding?.measured ?? '', row.agreesIf)
    }),
  ]
}

function mark(row: Row, running?: Phase): string {
  if (running?.rows.includes(row)) return '…'
  if (!row.finding) return ' '
  return row.finding.agrees ? '✓' : '✗'
}

/** The verdict stands first, where a narrow terminal still shows it. */
function line(
  verdict: string,
  path: string,
  what: string,
  asked: string,
  measured: string,
  agreesIf: string,
): string {
  return ` ${verdict} ${path.padEnd(14)}${what.padEnd(6)}${asked.padEnd(15)}${measured.padEnd(24)}${agreesIf}`
}

function center(text: string, width: number, fill = ' '): string {
  const left = Math.floor((width - text.length) / 2)
  return text.padStart(left + text.length, fill).padEnd(width, fill)
}
