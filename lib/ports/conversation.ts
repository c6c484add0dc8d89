/** What is said before the first frame of a connection, as a framing that has such words declares it: see greetings.ts, which says it. */

/**
 * One side of it, step by step: bytes to send, or how many to be handed next. It throws an Error in words when the other side says
 * what it must not; so it says how many steps and bytes there can be.
 */
export type Conversation = Generator<Uint8Array | number, void, Uint8Array>

/** Both sides of it. */
export interface Greeting {
  /** Of the side that others connect to. `frameLimit`: bytes of the longest frame that it takes. */
  answer(frameLimit: number): Conversation
  /** Of the side that connects. `who`: in words, the same for every connection of a port. */
  ask(who: string): Conversation
}
