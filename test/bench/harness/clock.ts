/** Milliseconds of the machine's monotonic clock: the same in all processes of one machine, and finer than Date.now(). */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
