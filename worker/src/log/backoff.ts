/** Pause before try number `failures` (from 1): doubles from `baseMs` to `maxMs`, and is somewhere in its upper half, so that many workers do not come back at once. */
export function backoffMs(failures: number, baseMs: number, maxMs: number): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(20, Math.max(0, failures - 1)))
  return ceiling / 2 + Math.random() * (ceiling / 2)
}
