/** What is known of a schedule: it fires at every multiple of `stepMs` after an origin (0 for cron; an interval's is its first fire). */
export interface Schedule {
  readonly name: string
  readonly stepMs: number
  /** Cron times are multiples of the step; an interval's go by its first. */
  readonly isCron: boolean
  readonly createdAt: number
  /** When it was asked to be disabled, and when that was acknowledged. */
  readonly disabling: { readonly asked: number; readonly done: number }
}

/** Instances may be made so long before they are due. */
const LOOK_AHEAD_MS = 2_500
/** The bench's clock and the cluster's. */
const CLOCKS_DIFFER_MS = 250

/** What is wrong about the times for which runs were made: one missing, one double, one too many. */
export function scheduleProblems({ name, stepMs, isCron, createdAt, disabling }: Schedule, firedAt: readonly number[]): string[] {
  const times = [...firedAt].toSorted((a, b) => a - b)
  const first = times[0]
  const last = times.at(-1)
  if (first === undefined || last === undefined) return [`${name} never fired`]
  const problems: string[] = []
  const say = (time: number): string => new Date(time).toISOString()
  if (isCron && first % stepMs !== 0) problems.push(`${name} fired for ${say(first)}, which is not a time of it`)
  if (first > createdAt + 2 * stepMs + CLOCKS_DIFFER_MS) problems.push(`${name} fired first for ${say(first)}, although it was made at ${say(createdAt)}`)
  for (let i = 1; i < times.length; i++) {
    const [before = 0, time = 0] = [times[i - 1], times[i]]
    if (time === before) problems.push(`${name} fired twice for ${say(time)}`)
    else if ((time - before) % stepMs !== 0) problems.push(`${name} fired for ${say(time)}, which is not a time of it`)
    else if (time - before > stepMs) problems.push(`${name} did not fire for ${(time - before) / stepMs - 1} times between ${say(before)} and ${say(time)}`)
  }
  if (last < disabling.asked - stepMs - CLOCKS_DIFFER_MS)
    problems.push(`${name} fired last for ${say(last)}, although it was enabled until ${say(disabling.asked)}`)
  if (last > disabling.done + LOOK_AHEAD_MS + CLOCKS_DIFFER_MS)
    problems.push(`${name} fired for ${say(last)}, although it was disabled at ${say(disabling.done)}`)
  return problems
}
