/**
 * What `etherloom up` shows while its instance runs: a live table on a terminal, else a line per event; with --json
 * the events as they come, and numbers each second.
 */
import { basename } from 'node:path'
import type { ControlClient } from '../lib/control/client.js'
import type { ControlEvent, ControlEventName } from '../lib/control/events.js'
import { formatCount } from '../lib/values/units.js'
import { atPlace } from '../lib/topology/file-problem.js'
import { LiveView } from './live.js'
import { counted, describeEnding, describeStep, printJson, printLine } from './output.js'
import { seconds } from './tables.js'

/** What is said of an event; nothing where it is not worth a line. */
const texts: { [Name in ControlEventName]: (event: ControlEvent<Name>) => string | string[] | undefined } = {
  // Whoever attaches or detaches a port says so, and peers come and go as ports that are up and down.
  'port:attach': () => undefined,
  'port:detach': () => undefined,
  'port:down': ({ fabric, port, error }) => `${fabric}.${port}: down: ${error.message}`,
  'port:up': ({ fabric, port }) => `${fabric}.${port}: up`,
  'port:carrier': ({ fabric, port, on }) => `${fabric}.${port}: carrier ${on ? 'on' : 'off'}`,
  'port:storm': ({ fabric, port, traffic, limit }) =>
    `${fabric}.${port}: a storm of ${traffic} frames${limit === undefined ? '' : `, over ${formatCount(limit)} a second`}`,
  'port:calm': ({ fabric, port, traffic, dropped, rate, lasted }) =>
    `${fabric}.${port}: the storm of ${traffic} frames is over: ${formatCount(rate)} a second, ${formatCount(dropped)} dropped in ${seconds(lasted)}`,
  'gateway:down': ({ fabric, port, error }) => `${fabric}.${port}: ${error.message}`,
  'gateway:up': ({ fabric, port }) => `${fabric}.${port}: its gateway stands again`,
  'address:moved': ({ fabric, address, from, to }) => `${fabric}: ${address} moved from ${from} to ${to}`,
  'address:flapping': ({ fabric, address, ports }) =>
    `${fabric}: ${address} moves again and again between ${ports.join(' and ')}: is there a loop?`,
  'address:settled': ({ fabric, address, moves }) =>
    `${fabric}: ${address} has settled after ${formatCount(moves)} moves`,
  'host:error': ({ error }) => error.message,
  'run:output': ({ run, line }) => `${run} | ${line}`,
  'run:exit': ({ run, code, signal, again }) =>
    `${run}: ended ${signal === undefined ? `with ${code}` : `by ${signal}`}${again ? ', and is started again' : ''}`,
  timeline: ({ fabric, at, did, phase }) => (phase === 'step' ? undefined : `${fabric}: at ${at}: ${did}`),
  'timeline:error': ({ error }) => error.message,
  'world:step': (step) => (step.links.length > 0 || step.overrun ? describeStep(step) : undefined),
  'world:error': ({ world, error }) => `${world}: ${error.message}`,
  'file:applied': ({ file, up, down, changed }) =>
    `${basename(file)} has changed: ${up} up, ${down} down, ${changed} changed`,
  'file:error': ({ file, error, undone, between }) => [
    `${basename(file)} cannot be taken over; ${afterRefusal(undone, between)}`,
    ...error.message.split('\n'),
  ],
  'file:note': atPlace,
  ending: describeEnding,
  'control:error': ({ error }) => error.message,
}

/** What has become of all that is there, by the steps that were taken back. */
function afterRefusal(undone: readonly string[], between: boolean): string {
  if (between) return 'not all of what was begun could be undone'
  return undone.length === 0
    ? 'everything stays as it is'
    : `what was there before is back by ${undone.length <= 5 ? undone.join(', ') : `${undone.length} steps`}`
}

/** Shows what an instance does until it has ended. Calls `shown` when it would show that, too. */
export async function watch(
  instance: ControlClient,
  { json = false }: { json?: boolean },
  shown = (): void => undefined,
): Promise<void> {
  const live = json || !process.stdout.isTTY ? undefined : new LiveView(instance)
  const say = (text: string): void => (live ? live.note(text) : printLine(text))
  // Whoever reads that it is up may act at once: what comes of that is not missed, and stands behind it.
  let early: (() => void)[] | undefined = []
  for (const name of Object.keys(texts) as ControlEventName[])
    instance.on(name, (event: ControlEvent<ControlEventName>) => {
      const tell = (): void => {
        if (json) printJson(asEvent(name, event))
        const text = texts[name](event as never)
        if (!json && text !== undefined) [text].flat().forEach(say)
      }
      if (early) early.push(tell)
      else tell()
    })
  await instance.subscribe()
  const [info, ports] = [await instance.call('info', {}), await instance.call('ports', {})]
  if (json) printJson({ event: 'up', ...info })
  else say(`${info.name}: up with ${counted(ports.length, 'port')}; Ctrl-C ends it`)
  for (const tell of early) tell()
  early = undefined
  const show = async (): Promise<void> => {
    if (live) await live.draw()
    if (!json) return
    const [ports, paths, timeline] = await Promise.all([
      instance.call('ports', {}),
      instance.call('paths', {}),
      instance.call('timeline', {}),
    ])
    printJson({ event: 'stats', ports, paths, timeline })
  }
  const ending = (): void => undefined // it has ended while it was asked
  const everySecond = setInterval(() => void show().catch(ending), 1000)
  if (live) await live.draw().catch(ending)
  shown()
  await instance.ended
  clearInterval(everySecond)
  live?.end()
  sayDown(info.name, { json })
}

/** Says that an instance has ended. */
export function sayDown(name: string, { json = false }: { json?: boolean }): void {
  if (json) printJson({ event: 'down', name })
  else printLine(`${name}: down`)
}

/** What `up` and `step` print, too. */
const shortNames: Partial<Record<ControlEventName, string>> = { 'world:step': 'step', 'file:note': 'note' }

/** An event as it is printed for programs: an error is its message. */
function asEvent(name: ControlEventName, event: object): object {
  const error = 'error' in event ? { error: (event.error as Error).message } : {}
  return { event: shortNames[name] ?? name, ...event, ...error }
}
