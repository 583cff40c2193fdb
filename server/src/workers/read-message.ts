import type { z } from 'zod'
import { WORKER_MESSAGES } from '@jobtrail/shared/protocol/worker'

export type WorkerEvent = keyof typeof WORKER_MESSAGES
export type Requests = { [E in WorkerEvent]: z.output<(typeof WORKER_MESSAGES)[E]['request']> }
/** An item of a message's list that cannot be read. `index`: its place in the list as it was sent. */
export type BadItem = { index: number; message: string }
/** `bad` were left out of `message`. */
export type ReadMessage<E extends WorkerEvent> = { message: Requests[E]; bad: BadItem[] } | { problem: string }

/** The lists of which a bad item must not cost the others: each stands for another run. */
const LISTS: Partial<Record<WorkerEvent, string>> = {
  started: 'attempts',
  finished: 'attempts',
  progress: 'attempts',
  heartbeat: 'attempts',
  seal: 'streams',
  resume: 'streams',
}

/** Parses a message of a worker. It is refused as a whole when nothing of its list can be read, or when something beside the list is wrong. */
export function readMessage<E extends WorkerEvent>(event: E, raw: unknown): ReadMessage<E> {
  const schema: z.ZodType = WORKER_MESSAGES[event].request
  const whole = schema.safeParse(raw)
  if (whole.success) return { message: whole.data as Requests[E], bad: [] }
  const list = LISTS[event]
  const envelope = typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {}
  const items = list === undefined ? undefined : envelope[list]
  if (list === undefined || !Array.isArray(items)) return { problem: problemOf(whole.error) }
  // The others are kept at their places: an item is at fault when an issue points at it.
  const faults = new Map<number, string>()
  for (const { path, message } of whole.error.issues) {
    const [member, index, ...rest] = path
    if (member !== list || typeof index !== 'number') return { problem: problemOf(whole.error) }
    if (!faults.has(index)) faults.set(index, `${[member, index, ...rest].join('.')}: ${message}`)
  }
  const rest = schema.safeParse({ ...envelope, [list]: items.filter((_, i) => !faults.has(i)) })
  if (faults.size === items.length || !rest.success) return { problem: problemOf(whole.error) }
  return { message: rest.data as Requests[E], bad: [...faults].map(([index, message]) => ({ index, message })) }
}

/** The answer to a message of which some items were left out: their places in `results` are filled with `result`. */
export function withBadItems<R>({ results: read }: { results: R[] }, bad: readonly BadItem[], result: NoInfer<R>): { results: R[]; problems?: BadItem[] } {
  if (bad.length === 0) return { results: read }
  const places = new Set(bad.map(({ index }) => index))
  let next = 0
  const results = Array.from({ length: read.length + places.size }, (_, i) => (places.has(i) ? result : (read[next++] ?? result)))
  return { results, problems: [...bad] }
}

function problemOf(error: z.ZodError): string {
  return error.issues
    .slice(0, 10)
    .map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    .join('; ')
}
