import { expect, it } from 'vitest'
import { z } from 'zod'
import { randomUuid } from './random-uuid'

it('each is another UUID of version 4', () => {
  const made = Array.from({ length: 1_000 }, randomUuid)
  expect(new Set(made).size).toBe(made.length)
  for (const each of made) expect(z.uuidv4().safeParse(each).success, each).toBe(true)
})
