// A frame's journey from a port to another, as SVG: what each step is, the options that set it, and where a frame can end.

import type { DropReason } from 'etherloom'

const width = 860
const height = 330

interface Step {
  title: string
  /** What happens there. */
  lines: readonly string[]
  /** The options of a policy, or of a port, that set it. */
  options: string
  /** How a frame ends there; these are the words of counters. */
  ends: readonly DropReason[]
  x: number
  y: number
}

const boxWidth = 142
const boxHeight = 76

const steps: readonly Step[] = [
  {
    title: 'Port red',
    lines: ['the frame arrives', 'and is looked over'],
    options: 'storm',
    ends: ['runt', 'storm'],
    x: 20,
    y: 36,
  },
  {
    title: 'Fabric',
    lines: ['hub, switch or wire:', 'which ports get it?'],
    options: 'kind, forwarding',
    ends: ['unreachable'],
    x: 200,
    y: 36,
  },
  {
    title: '1 Filter',
    lines: ['may it pass', 'on this path?'],
    options: 'filter',
    ends: ['filter'],
    x: 40,
    y: 190,
  },
  {
    title: '2 Impairments',
    lines: ['lost, damaged,', 'doubled?'],
    options: 'loss, corrupt, duplicate',
    ends: ['loss'],
    x: 206,
    y: 190,
  },
  {
    title: '3 Line',
    lines: ['waits for its turn,', 'then bit by bit'],
    options: 'rate, queue',
    ends: ['queue', 'aqm'],
    x: 372,
    y: 190,
  },
  {
    title: '4 Travel',
    lines: ['on its way for', 'a while'],
    options: 'delay, jitter, reorder',
    ends: [],
    x: 538,
    y: 190,
  },
  {
    title: 'Port green',
    lines: ['takes it, if it wants', 'it, and sends it on'],
    options: 'receive, delay',
    ends: ['port-full', 'port-down'],
    x: 704,
    y: 190,
  },
]

/** The picture; it needs no run. */
export function journey(): string {
  const [red, fabric, filter, impairments, line, travel, green] = steps as readonly [
    Step,
    Step,
    Step,
    Step,
    Step,
    Step,
    Step,
  ]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>The journey of a frame from port red to port green</title>`,
    '<style>text{font:12px system-ui,sans-serif;fill:#444;text-anchor:middle}.title{font-weight:600;font-size:13px;fill:#222}' +
      '.option{fill:#2a78d6;font-family:ui-monospace,monospace;font-size:11px}.end{fill:#c2570c;font-size:11px}' +
      '.box{fill:#8881;stroke:#888}.path{fill:none;stroke:#2a78d6;stroke-dasharray:5 4}.arrow{fill:none;stroke:#888;stroke-width:1.5}' +
      '.left{text-anchor:start}' +
      '@media(prefers-color-scheme:dark){text{fill:#ccc}.title{fill:#eee}.option{fill:#7fb2ec}.end{fill:#f0a060}.path{stroke:#7fb2ec}}</style>',
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#888"/></marker></defs>',
    `<rect x="28" y="160" width="664" height="150" rx="8" class="path"/>`,
    text(
      126,
      180,
      'path red &gt; green: one for each pair of ports and direction, each with its own settings',
      'left',
    ),
    ...steps.flatMap(drawn),
    arrow(`M${red.x + boxWidth} ${red.y + 38}H${fabric.x - 2}`),
    arrow(`M${fabric.x + boxWidth} ${fabric.y + 26}H392`),
    arrow(`M${fabric.x + boxWidth} ${fabric.y + 50}H392`),
    text(400, fabric.y + 30, 'a copy for the path red &gt; blue', 'left'),
    text(400, fabric.y + 54, 'and for every other port that is to have it', 'left'),
    arrow(`M${fabric.x + 15} ${fabric.y + boxHeight}V146H${filter.x + 71}V${filter.y - 2}`),
    ...[filter, impairments, line, travel].map((step, index) =>
      arrow(
        `M${step.x + boxWidth} ${step.y + 38}H${([impairments, line, travel, green][index] as Step).x - 2}`,
      ),
    ),
    text(690, 30, 'blue: the option that sets it', 'option left'),
    text(690, 48, 'orange: how a frame ends', 'end left'),
    '</svg>',
    '',
  ].join('\n')
}

function drawn({ title, lines, options, ends, x, y }: Step): string[] {
  const middle = x + boxWidth / 2
  return [
    `<rect x="${x}" y="${y}" width="${boxWidth}" height="${boxHeight}" rx="6" class="box"/>`,
    text(middle, y + 22, title, 'title'),
    ...lines.map((words, index) => text(middle, y + 42 + index * 16, words, '')),
    ...(options === '' ? [] : [text(middle, y < 100 ? y - 8 : y + boxHeight + 16, options, 'option')]),
    ...(ends.length === 0
      ? []
      : [text(middle, y < 100 ? y + boxHeight + 16 : y + boxHeight + 32, ends.join(', '), 'end')]),
  ]
}

const text = (x: number, y: number, words: string, kind: string): string =>
  `<text x="${x}" y="${y}"${kind === '' ? '' : ` class="${kind}"`}>${words}</text>`
const arrow = (path: string): string => `<path d="${path}" class="arrow" marker-end="url(#tip)"/>`
