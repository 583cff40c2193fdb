import { expect, it } from 'vitest'
import { OutcomeHints } from './outcome-hints.js'

it('knows the runs with outcomes that it was told of, once each', () => {
  const hints = new OutcomeHints()
  expect(hints.take(['a'])).toEqual([])
  hints.note([{ _id: 'a', outcomes: ['after'] }, { _id: 'b' }])
  expect(hints.take(['a', 'b', 'c'])).toEqual(['a'])
  expect(hints.take(['a'])).toEqual([])
})

it('forgets the oldest of very many', () => {
  const hints = new OutcomeHints()
  hints.note(Array.from({ length: 50_001 }, (_, i) => ({ _id: String(i), outcomes: ['after'] })))
  expect(hints.take(['0', '1', '50000'])).toEqual(['1', '50000'])
})
