/** Who answers. */
import { about, flag, integer, required, text } from '../../values/options.js'
import { fields, method, type InstanceInfo } from '../method.js'

export const info = method<object, InstanceInfo>({
  description: 'Which instance this is.',
  parameters: {},
  result: fields<InstanceInfo>({
    name: about('its name', required(text())),
    file: about(
      "the absolute path of its topology file; where 'etherloom ubridge' has its console",
      required(text({ max: 4096 })),
    ),
    pid: about('the number of its process', required(integer(1, 2 ** 31))),
    seed: about('the seed of its engine, as text: it can exceed what a JSON number holds', required(text())),
    workers: about('its worker threads', required(integer(1, 1024))),
    io: about("what they speak to the kernel with: 'io_uring' or 'epoll'", required(text())),
    sealed: about('whether it makes and opens nothing more', required(flag())),
  }),
  example: {
    params: {},
    result: {
      name: 'lab',
      file: '/home/u/lab.yaml',
      pid: 4711,
      seed: '42',
      workers: 1,
      io: 'io_uring',
      sealed: false,
    },
  },
  call: async (_, instance) => (await instance).info(),
})
