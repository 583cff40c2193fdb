import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Slots } from './slots.js'

test('no more work goes on than there are slots, in the order in which it came', async () => {
  const slots = new Slots(2)
  const begun: number[] = []
  let running = 0
  let most = 0
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      slots.use(async () => {
        begun.push(i)
        most = Math.max(most, ++running)
        await sleep(1)
        running--
      }),
    ),
  )
  expect(most).toBe(2)
  expect(begun).toEqual(Array.from({ length: 20 }, (_, i) => i))
})

test('work that fails gives its slot back', async () => {
  const slots = new Slots(1)
  const failing = slots.use(() => Promise.reject(new Error('broken')))
  const next = slots.use(async () => 'done')
  await expect(failing).rejects.toThrow('broken')
  expect(await next).toBe('done')
})
