import { AppError } from '@jobtrail/protocol/domain/errors'
import type { BadItem } from './read-message.js'

/** The body of each chunk that could be read. Those of the others lie between them: where the size of a single one cannot be read either, it has what the rest leaves. */
export function splitBodies(chunks: readonly { size: number }[], bad: readonly BadItem[], bodies: unknown): Buffer[] {
  const skipped = new Map(bad.map(({ index, item }) => [index, sizeOf(item)]))
  const unsized = [...skipped.values()].filter((size) => size === undefined).length
  const known = [...chunks.map(({ size }) => size), ...skipped.values()].reduce<number>((sum, size) => sum + (size ?? 0), 0)
  const left = Buffer.isBuffer(bodies) ? bodies.length - known : -1
  if (!Buffer.isBuffer(bodies) || left < 0 || (unsized === 0 && left > 0))
    throw new AppError('VALIDATION_FAILED', `bodies: must be ${known} bytes, the sum of the chunks' sizes`)
  if (unsized > 1) throw new AppError('VALIDATION_FAILED', `chunks: ${unsized} have no size that can be read, so the bodies cannot be told apart`)
  const result: Buffer[] = []
  let at = 0
  for (let i = 0; i < chunks.length + bad.length; i++) {
    if (skipped.has(i)) at += skipped.get(i) ?? left
    else {
      const end = at + (chunks[result.length]?.size ?? 0)
      result.push(bodies.subarray(at, end))
      at = end
    }
  }
  return result
}

function sizeOf(item: unknown): number | undefined {
  const size = typeof item === 'object' && item !== null && 'size' in item ? item.size : undefined
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined
}
