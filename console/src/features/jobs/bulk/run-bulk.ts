export type BulkItem = { id: string; name: string }
export type BulkFailure = { item: BulkItem; message: string }
/** `notStarted`: left out because the user stopped it. */
export type BulkState = { total: number; done: number; failures: BulkFailure[]; isRunning: boolean; notStarted: number }

const CONCURRENCY = 6

/** Does something to many things, a few at a time; one that fails does not stop the others, aborting starts no more. Resolves with the end state. */
export async function runBulk(
  items: readonly BulkItem[],
  action: (item: BulkItem) => Promise<unknown>,
  options: { signal?: AbortSignal; onProgress?: (state: BulkState) => void; messageOf: (error: unknown) => string },
): Promise<BulkState> {
  let next = 0
  let done = 0
  const failures: BulkFailure[] = []
  const stateNow = (isRunning: boolean): BulkState => ({
    total: items.length,
    done,
    failures: [...failures],
    isRunning,
    notStarted: isRunning ? 0 : items.length - done,
  })
  const lane = async (): Promise<void> => {
    for (let item = items[next]; item !== undefined && options.signal?.aborted !== true; item = items[next]) {
      next += 1
      try {
        await action(item)
      } catch (error) {
        failures.push({ item, message: options.messageOf(error) })
      }
      done += 1
      options.onProgress?.(stateNow(true))
    }
  }
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, lane))
  const end = stateNow(false)
  options.onProgress?.(end)
  return end
}
