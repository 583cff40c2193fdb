import { expect, test } from 'vitest'
import { StreamTotals } from './chunk.js'
import { addLoss, boundLosses, type LogLoss, MAX_LOSSES } from './losses.js'

const loss = (at: number, more: Partial<LogLoss> = {}): LogLoss => ({ reason: 'limit', at, lines: 1, bytes: 10, ...more })

test('beyond the bound losses are summed up with the last of their reason, and one of unknown size makes the sum unknown', () => {
  const full = boundLosses([loss(0, { reason: 'pressure' }), ...Array.from({ length: MAX_LOSSES + 4 }, (_, i) => loss(i + 1))])
  expect(full).toHaveLength(MAX_LOSSES)
  expect(full.at(-1)).toEqual(loss(MAX_LOSSES - 1, { lines: 6, bytes: 60 }))
  expect(addLoss(full, loss(99, { reason: 'pressure', lines: null }))[0]).toEqual(loss(0, { reason: 'pressure', lines: null, bytes: 20 }))
})

test('the end of an attempt is not refused for its losses: too many are bounded, and a reason of a later version is taken', () => {
  const totals = { chunks: 0, lines: 0, bytes: 0, digest: '0'.repeat(64) }
  expect(StreamTotals.parse(totals).losses).toBeUndefined()
  const losses = Array.from({ length: 100 }, (_, i) => ({ ...loss(i), reason: 'of a later version' }))
  expect(StreamTotals.parse({ ...totals, losses }).losses).toHaveLength(MAX_LOSSES)
})
