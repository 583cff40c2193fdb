export const STAMPS = ['off', 'absolute', 'start', 'before'] as const
/** What is shown before each line: nothing, its time, the time since the start, the time since the line before. */
export type Stamps = (typeof STAMPS)[number]

export const nextStamps = (stamps: Stamps): Stamps => STAMPS[(STAMPS.indexOf(stamps) + 1) % STAMPS.length] ?? 'off'

/** `+0.125`, `+1:02.500`, `+2:00:05.000`: sorts and compares by eye. */
export function offsetText(ms: number): string {
  const sign = ms < 0 ? '-' : '+'
  const abs = Math.abs(ms)
  const seconds = (Math.floor(abs) % 60_000) / 1_000
  const minutes = Math.floor(abs / 60_000) % 60
  const hours = Math.floor(abs / 3_600_000)
  if (hours > 0) return `${sign}${hours}:${String(minutes).padStart(2, '0')}:${seconds.toFixed(3).padStart(6, '0')}`
  return minutes > 0 ? `${sign}${minutes}:${seconds.toFixed(3).padStart(6, '0')}` : `${sign}${seconds.toFixed(3)}`
}
