/** Agrees on the protocol. */
import { createRequire } from 'node:module'
import { EtherloomError } from '../../values/errors.js'
import { about, integer, required, text } from '../../values/options.js'
import { fields, method } from '../method.js'

/**
 * The version of the control protocol. It grows where a method or an event changes its meaning or goes; new methods,
 * new events and new keys of answers leave it as it is.
 */
export const protocolVersion = 1

export interface Hello {
  protocol: number
}

/** Who answers. */
export interface HelloAnswer {
  protocol: number
  etherloom: string
}

export const hello = method<Hello, HelloAnswer>({
  description:
    'Agrees on the version of the protocol, and is refused where the instance speaks another one. It is answered before the topology is up. Programs that keep to one version may leave it out.',
  parameters: {
    protocol: about('the version that the client speaks', required(integer(1, 1_000_000))),
  },
  result: fields<HelloAnswer>({
    protocol: about('the version that the instance speaks', required(integer(1, 1_000_000))),
    etherloom: about('the version of etherloom that runs it', required(text())),
  }),
  example: { params: { protocol: 1 }, result: { protocol: 1, etherloom: '0.1.0' } },
  call: ({ protocol }) => {
    const { version } = createRequire(import.meta.url)('etherloom/package.json') as { version: string }
    if (protocol === protocolVersion)
      return Promise.resolve({ protocol: protocolVersion, etherloom: version })
    throw otherVersion(version, protocolVersion, protocol)
  },
})

/** The refusal of a peer that speaks another version. */
export const otherVersion = (etherloom: string, theirs: number, ours: number): EtherloomError =>
  new EtherloomError(
    'ERR_ETHERLOOM_CONTROL',
    `the instance speaks version ${theirs} of the control protocol (etherloom ${etherloom}), this program version ${ours}`,
    { hint: 'use the etherloom that started the instance, or end it and start it with this one' },
  )

/** The refusal of an instance that does not know `hello`. */
export const noVersion = (name: string): EtherloomError =>
  new EtherloomError(
    'ERR_ETHERLOOM_CONTROL',
    `instance '${name}' runs an etherloom from before the control protocol had versions`,
    { hint: 'end it where it runs, with Ctrl-C or by a signal to its process, and start it again' },
  )
