/**
 * How much work a file, or a line at the control socket, may ask for: every number of that kind, and nowhere else.
 * docs/reference/limits.md has them in a table, with the reasons; a test holds both together.
 */
const KiB = 1024
const MiB = 1024 * KiB

export const limits = {
  /** Bytes of a topology file, also of a foreign format, and of a file that one of them names. */
  topologyFile: 16 * MiB,
  /** Files that a tmesh file sources, itself and by others, each time counted; and their bytes in all are those of a topology file. */
  sourcedFiles: 1000,
  /** Files of tmesh that source each other in a row. */
  sourceDepth: 30,
  /** Lists and mappings of a YAML file within each other. */
  yamlDepth: 100,
  /** Values (words, lists, mappings) that the aliases of a YAML file stand for, in all. */
  aliasedValues: 1_000_000,
  /** Mistakes that are found in a topology before it is put aside, and notes on a lab of another program. */
  mistakes: 1000,
  /** Directed pairs of ports that the entries of `paths` come to, in a topology, each entry counted. */
  pathPairs: 1_000_000,
  /** The same of entries of `timeline`. */
  timelinePairs: 10_000_000,
  /** Bytes of a trace. */
  traceFile: 256 * MiB,
  /** Rows of a trace; of a Mahimahi trace, milliseconds that have opportunities. */
  traceRows: 10_000_000,
  /** Bytes of a fate log. */
  fateLogFile: 256 * MiB,
  /** Fates in a fate log, one for each copy of a frame, whatever their paths. */
  fates: 10_000_000,
  /** Frames of a path that its fate log leaves out between others; they pass. */
  fateGaps: 1_000_000,
  /** Bytes of a table of delays; one of as many numbers as a table may have has less. */
  delayTableFile: MiB,
  /** Nanoseconds between the steps of a ramp, and between what an entry of a timeline begins; not less. */
  timelineStep: 10_000n,
  /** Comparisons that a timeline makes for steps that are overdue before others have their turn; changing a path counts as 100. */
  timelineTurn: 1_000_000,
  /** Characters of a filter expression. */
  filterExpression: 1000,
  /** Filters of one path that each say what is dropped. */
  filters: 64,
  /** Bytes of an order at the control socket, one line. */
  orderLine: 16 * MiB,
  /** Values in one line: lists, mappings and what stands between their commas. A short text can have many, and each takes memory. */
  orderValues: 2_000_000,
  /** Orders in one line, as a batch. */
  orderBatch: 1000,
  /** Bytes of an answer there, and of what a peer may leave unread. */
  answerLine: 64 * MiB,
  /** Bytes of a line of ubridge's console. */
  consoleLine: 64 * KiB,
  /** Clients of such a console at a time. */
  consoleClients: 64,
  /** Bytes of a command at the management socket of a VDE switch. */
  vdeCommand: 1024,
  /** Who may manage such a switch at a time. */
  vdeConsoles: 16,
  /** Numbers of its ports that are kept by what was said of them there. */
  vdeNumbers: 4000,
  /** Bytes of a file of such commands. */
  vdeCommandFile: 16_384,
  /** Addresses that are listed there; a table of more is refused. */
  vdeAddresses: 10_000,
  /** Nodes of a world. */
  worldNodes: 10_000,
  /** The greatest number of a node in a CORE file that lists no nodes. */
  coreNodes: 100_000,
  /** Pairs of devices that are linked because they are on one network of a CORE file, in mode lan; of one wireless network, imported. */
  coreLinks: 1_000_000,
} as const
