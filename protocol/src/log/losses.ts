import { z } from 'zod'

/**
 * Why lines of a log are missing, or may be: `worker-died` what its worker had not yet written to disk when it was killed · `cut-off` output that came after the
 * end of the attempt · `damaged` its spool was damaged · `limit` beyond the job's log limit · `pressure` the spool was full and the job prefers losing lines to
 * waiting · `capture-failed` the output could not be read or written to the spool.
 */
export const LOSS_REASONS = ['worker-died', 'cut-off', 'damaged', 'limit', 'pressure', 'capture-failed'] as const
export type LossReason = (typeof LOSS_REASONS)[number]

/** Losses named one by one; the rest is summed up in the last one of its reason. */
export const MAX_LOSSES = 16

/** What is known to be missing from a log: at line `at`, so many lines and bytes; null where nobody knows how many. */
export const LogLoss = z.object({
  // A reason that a later version has is no reason to refuse the end of an attempt.
  reason: z.enum(LOSS_REASONS).catch('capture-failed'),
  at: z.int().min(0),
  lines: z.int().min(0).nullable(),
  bytes: z.int().min(0).nullable(),
})
export type LogLoss = z.infer<typeof LogLoss>

const sum = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a + b)

/** The list with another loss, never longer than {@link MAX_LOSSES}: a full list sums it up with the last one of the same reason, else with the last one. */
export function addLoss(losses: readonly LogLoss[], loss: LogLoss): LogLoss[] {
  if (losses.length < MAX_LOSSES) return [...losses, loss]
  const same = losses.findLastIndex(({ reason }) => reason === loss.reason)
  const target = same < 0 ? losses.length - 1 : same
  return losses.map((each, i) => (i === target ? { ...each, lines: sum(each.lines, loss.lines), bytes: sum(each.bytes, loss.bytes) } : each))
}

/** A list of any length, bounded. */
export const boundLosses = (losses: readonly LogLoss[]): LogLoss[] => losses.reduce<LogLoss[]>(addLoss, [])
