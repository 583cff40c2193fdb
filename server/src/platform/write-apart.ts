import { isItemError } from './item-error.js'

/**
 * Writes items together. What fails because of an item ({@link isItemError}) is written again in halves, until only that item fails: one among n costs 2 log2(n) further
 * writes, in log2(n) rounds. `failed` gets what fails alone or for another reason. With `atOnce` 1, items are written in their order.
 */
export async function writeApart<T>(
  items: readonly T[],
  atOnce: number,
  write: (part: T[]) => Promise<void>,
  failed: (part: readonly T[], error: unknown) => void,
): Promise<void> {
  const writeOrHalve = async (part: T[]): Promise<T[][]> => {
    try {
      await write(part)
      return []
    } catch (error) {
      const middle = Math.ceil(part.length / 2)
      if (part.length > 1 && isItemError(error)) return [part.slice(0, middle), part.slice(middle)]
      failed(part, error)
      return []
    }
  }
  const parts = [[...items]]
  while (parts.length > 0) {
    const halves = await Promise.all(parts.splice(0, atOnce).map(writeOrHalve))
    // In front of what comes after them.
    parts.unshift(...halves.flat())
  }
}
