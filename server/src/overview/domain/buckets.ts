const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const STEPS = [10 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY, 30 * DAY]
const MOST = 60

/** Steps of a chart over a time: round ones, at most 60 of them. */
export function bucketSize(fromMs: number, toMs: number): number {
  const length = toMs - fromMs
  return STEPS.find((step) => length / step <= MOST) ?? Math.ceil(length / MOST / DAY) * DAY
}

/** The starts of all steps that a time touches. */
export function bucketStarts(fromMs: number, toMs: number, bucketMs: number): number[] {
  const first = Math.floor(fromMs / bucketMs) * bucketMs
  const count = Math.max(1, Math.ceil((toMs - first) / bucketMs))
  return Array.from({ length: count }, (_, i) => first + i * bucketMs)
}
