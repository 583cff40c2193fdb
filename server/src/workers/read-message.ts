import type { z } from 'zod'
import { MAX_BATCH, WORKER_MESSAGES } from '@jobtrail/protocol/wire/worker'
import { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'

/** Faults of a message that its refusal, or the log, names. */
export const MAX_NAMED = 10

export type WorkerEvent = keyof typeof WORKER_MESSAGES
export type Requests = { [E in WorkerEvent]: z.output<(typeof WORKER_MESSAGES)[E]['request']> }
/** What is wrong with an item of a message's list. `index`: its place in the list as it was sent. */
export type ItemProblem = { index: number; message: string }
/** An item that cannot be read. `item`: what was there. */
export type BadItem = ItemProblem & { item: unknown }
/** `bad` were left out of `message`. */
export type ReadMessage<E extends WorkerEvent> = { message: Requests[E]; bad: BadItem[] } | { problem: string }

/** The lists of which a bad item must not cost the others: each stands for another run, or for lines of one. */
const LISTS: Partial<Record<WorkerEvent, readonly string[]>> = {
  hello: ['attempts', 'spooled', 'givenUp'],
  started: ['attempts'],
  finished: ['attempts'],
  progress: ['attempts'],
  heartbeat: ['attempts', 'givenUp'],
  log: ['chunks'],
  seal: ['streams'],
  resume: ['streams'],
}

/** What of an item that cannot be read whole is acted on all the same, as long as its key can be read: see mend-items.ts. */
const MENDABLE: ReadonlySet<WorkerEvent> = new Set<WorkerEvent>(['started', 'finished'])

/**
 * Parses a message of a worker. It is refused as a whole when nothing is left of a list that may not be empty and nothing of it can be mended, or when something beside its lists is
 * wrong.
 */
export function readMessage<E extends WorkerEvent>(event: E, raw: unknown): ReadMessage<E> {
  const schema: z.ZodType = WORKER_MESSAGES[event].request
  const whole = schema.safeParse(raw)
  if (whole.success) return { message: whole.data as Requests[E], bad: [] }
  const refused = { problem: whole.error.issues.slice(0, MAX_NAMED).map(problemOf).join('; ') }
  const envelope = typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {}
  // The others are kept at their places: an item is at fault when an issue points at it.
  const faults = new Map<string, Map<number, BadItem>>()
  for (const issue of whole.error.issues) {
    const [member, index] = issue.path
    if (typeof member !== 'string' || typeof index !== 'number' || LISTS[event]?.includes(member) !== true) return refused
    const items = envelope[member]
    if (!Array.isArray(items)) return refused
    const ofList = faults.get(member) ?? new Map<number, BadItem>()
    faults.set(member, ofList)
    if (!ofList.has(index)) ofList.set(index, { index, message: problemOf(issue), item: items[index] })
  }
  const readable = Object.fromEntries([...faults].map(([member, bad]) => [member, (envelope[member] as unknown[]).filter((_, i) => !bad.has(i))]))
  const bad = [...faults.values()].flatMap((ofList) => [...ofList.values()])
  const rest = schema.safeParse({ ...envelope, ...readable })
  if (rest.success) return { message: rest.data as Requests[E], bad }
  const isEmptied = Object.values(readable).every((items) => items.length === 0)
  if (!MENDABLE.has(event) || !isEmptied || !bad.some(({ item }) => AttemptKey.safeParse(item).success)) return refused
  return { message: { attempts: [] } as object as Requests[E], bad }
}

/** What is said of them, to a worker or in the log: a bounded number. */
export const problemsOf = (bad: readonly BadItem[]): ItemProblem[] => bad.slice(0, MAX_BATCH).map(({ index, message }) => ({ index, message }))

/** The answer to a message of which some items were left out: their places in `results` are filled with `result`. */
export function withBadItems<R>({ results: read }: { results: R[] }, bad: readonly BadItem[], result: NoInfer<R>): { results: R[]; problems?: ItemProblem[] } {
  if (bad.length === 0) return { results: read }
  const places = new Set(bad.map(({ index }) => index))
  let next = 0
  const results = Array.from({ length: read.length + places.size }, (_, i) => (places.has(i) ? result : (read[next++] ?? result)))
  return { results, problems: problemsOf(bad) }
}

const problemOf = ({ path, message }: z.core.$ZodIssue): string => `${path.length === 0 ? 'message' : path.join('.')}: ${message}`
