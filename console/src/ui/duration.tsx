import { useNow } from './now'

/** `850 ms`, `4.2 s`, `3 m 05 s`, `2 h 07 m`, `3 d 4 h`: units are the same in every language. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`
  const seconds = Math.floor(ms / 1_000)
  const [d, h, m, s] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60, seconds % 60]
  const two = (n: number) => String(n).padStart(2, '0')
  if (d > 0) return `${d} d ${h} h`
  if (h > 0) return `${h} h ${two(m)} m`
  return `${m} m ${two(s)} s`
}

/** How long from one time to another; without an end it counts on. */
export function Duration({ from, to }: { from: string; to: string | null }) {
  const now = useNow(to === null)
  const ms = (to === null ? Math.max(now, Date.parse(from)) : Date.parse(to)) - Date.parse(from)
  return <span className="jt-nums">{formatDuration(ms)}</span>
}
