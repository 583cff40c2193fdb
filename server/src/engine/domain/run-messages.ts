/** Assignments of one message `run`. */
export type Message<C, A> = { items: Item<C, A>[]; bytes: number }
type Item<C, A> = { candidate: C; assignment: A; bytes: number }

/** A message stays below this, unless it holds a single assignment: well below the largest frame. */
export const MAX_RUN_MESSAGE_BYTES = 2 * 1024 * 1024

/** Puts assignments into as few messages as their number and size allow, in order. */
export function splitMessages<C, A>(items: readonly Item<C, A>[], maxItems: number): Message<C, A>[] {
  const messages: Message<C, A>[] = []
  let last: Message<C, A> | undefined
  for (const item of items) {
    if (last === undefined || last.items.length >= maxItems || last.bytes + item.bytes > MAX_RUN_MESSAGE_BYTES) messages.push((last = { items: [], bytes: 0 }))
    last.items.push(item)
    last.bytes += item.bytes
  }
  return messages
}
