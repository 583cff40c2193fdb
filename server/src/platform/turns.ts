const TURN_MS = 10

const waiting: (() => void)[] = []
let ends = 0
let isScheduled = false

/**
 * To be awaited between the pieces of long work. All such work of a server together has {@link TURN_MS} in each round of the event loop, however many calls it is for:
 * whatever else is to be done waits no longer than that and one piece.
 */
export function giveTurn(): Promise<void> {
  if (performance.now() < ends) return Promise.resolve()
  return new Promise((resolve) => {
    waiting.push(resolve)
    schedule()
  })
}

function schedule(): void {
  if (isScheduled) return
  isScheduled = true
  setImmediate(() => {
    isScheduled = false
    ends = performance.now() + TURN_MS
    waiting.shift()?.()
    if (waiting.length > 0) schedule()
  })
}
