/** The end of an instance. */
import { method, nothing } from '../method.js'

export const down = method<object, null>({
  description: 'Ends the instance. Answers when nothing of its network is left; then the connection ends.',
  parameters: {},
  result: nothing,
  example: { params: {}, result: null },
  call: async (_, instance) => {
    const running = await instance
    await running.network.close()
    setImmediate(() => void running.close()) // after the answer
    return null
  },
})
