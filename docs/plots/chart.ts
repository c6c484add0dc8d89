// A chart as SVG: what was asked for as a line, what was measured as points. Used by draw.ts.

export interface Axis {
  label: string
  /** Default linear. */
  scale?: 'linear' | 'log'
  /** Default: from the least to the greatest value, 0 included where the scale is linear. */
  range?: readonly [number, number]
  /** How a number on the axis is written. Default: its shortest form. */
  format?: (value: number) => string
}

export interface Series {
  name: string
  /** `line` for what was asked for, `points` for what was measured, `steps` for what holds until the next. */
  as: 'line' | 'points' | 'steps'
  points: readonly (readonly [number, number])[]
}

export interface Chart {
  title: string
  x: Axis
  y: Axis
  series: readonly Series[]
}

const width = 640
const height = 380
const margin = { left: 84, right: 20, top: 60, bottom: 56 }
/** Told apart by people who do not see all colours, on white and on black. */
const colours = ['#888888', '#2a78d6', '#d9730d', '#2f9e6e']

export function toSvg({ title, x, y, series }: Chart): string {
  const across = scaleOf(x, values(series, 0), [margin.left, width - margin.right])
  const up = scaleOf(y, values(series, 1), [height - margin.bottom, margin.top])
  const parts = [
    text(margin.left, 22, title, 'class="title"'),
    ...across.ticks.flatMap((tick) => [
      line(across.place(tick), margin.top, across.place(tick), height - margin.bottom, 'class="grid"'),
      text(across.place(tick), height - margin.bottom + 18, across.format(tick), 'text-anchor="middle"'),
    ]),
    ...up.ticks.flatMap((tick) => [
      line(margin.left, up.place(tick), width - margin.right, up.place(tick), 'class="grid"'),
      text(margin.left - 8, up.place(tick) + 4, up.format(tick), 'text-anchor="end"'),
    ]),
    text((margin.left + width - margin.right) / 2, height - 14, x.label, 'text-anchor="middle"'),
    `<g transform="translate(16 ${(height - margin.bottom + margin.top) / 2}) rotate(-90)">${text(0, 0, y.label, 'text-anchor="middle"')}</g>`,
    ...series.flatMap((each, index) => {
      const colour = colours[index % colours.length] as string
      const places = each.points.map(([at, value]) => [across.place(at), up.place(value)] as const)
      const legend = margin.left + index * 170
      const swatch =
        each.as === 'points'
          ? circle(legend + 8, 40, colour)
          : line(legend, 40, legend + 16, 40, `stroke="${colour}" stroke-width="2"`)
      return [swatch, text(legend + 24, 44, each.name, ''), drawn(each.as, places, colour)]
    }),
  ]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    '<style>text{font:12px system-ui,sans-serif;fill:#444}.title{font-size:15px;font-weight:600}.grid{stroke:#8884;stroke-width:1}' +
      '@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>',
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function drawn(as: Series['as'], places: readonly (readonly [number, number])[], colour: string): string {
  if (as === 'points') return places.map(([at, value]) => circle(at, value, colour)).join('')
  const path = places.map(([at, value], index) => {
    const before = places[index - 1]
    const step = as === 'steps' && before ? `H${fixed(at)}` : ''
    return before ? `${step}L${fixed(at)} ${fixed(value)}` : `M${fixed(at)} ${fixed(value)}`
  })
  return `<path d="${path.join('')}" fill="none" stroke="${colour}" stroke-width="2"/>`
}

interface Scale {
  place: (value: number) => number
  format: (value: number) => string
  ticks: number[]
}

function scaleOf(
  axis: Axis,
  all: readonly number[],
  [start, end]: readonly [number, number],
): Scale {
  const logarithmic = axis.scale === 'log'
  const used = logarithmic ? all.filter((value) => value > 0) : [0, ...all]
  const [low, high] = axis.range ?? [Math.min(...used), Math.max(...used)]
  const bend = logarithmic ? Math.log10 : (value: number) => value
  const span = bend(high) - bend(low) || 1
  return {
    place: (value) => start + ((bend(value) - bend(low)) / span) * (end - start),
    format: axis.format ?? String,
    ticks: logarithmic ? decades(low, high) : roundSteps(low, high),
  }
}

/** Powers of ten from one bound to the other: all of them, or every second or third where they are many. */
function decades(low: number, high: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9)
  const last = Math.floor(Math.log10(high) + 1e-9)
  const step = Math.ceil((last - first + 1) / 8)
  const ticks: number[] = []
  for (let power = first; power <= last; power += step) ticks.push(Number(`1e${power}`))
  return ticks
}

/** About six numbers with one digit other than 0, such as 0, 20, 40. */
function roundSteps(low: number, high: number): number[] {
  const rough = (high - low) / 6
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power
  const ticks: number[] = []
  for (let count = Math.ceil(low / step - 1e-9); count * step <= high + step * 1e-9; count++)
    ticks.push(Number((count * step).toPrecision(12)))
  return ticks
}

const values = (series: readonly Series[], side: 0 | 1): number[] =>
  series.flatMap(({ points }) => points.map((point) => point[side]))
const fixed = (value: number): string => String(Math.round(value * 10) / 10)
const escape = (words: string): string => words.replace(/&/g, '&amp;').replace(/</g, '&lt;')
const text = (x: number, y: number, words: string, more: string): string =>
  `<text x="${fixed(x)}" y="${fixed(y)}" ${more}>${escape(words)}</text>`
const line = (x1: number, y1: number, x2: number, y2: number, more: string): string =>
  `<line x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}" ${more}/>`
const circle = (x: number, y: number, colour: string): string =>
  `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="3.5" fill="${colour}"/>`
