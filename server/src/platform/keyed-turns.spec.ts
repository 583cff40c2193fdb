import { expect, test } from 'vitest'
import { KeyedTurns } from './keyed-turns.js'

/** Work that ends when it is told to. */
function held(log: string[], name: string): { work: () => Promise<string>; end: (error?: Error) => void } {
  let end: (error?: Error) => void = () => undefined
  const ended = new Promise<string>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve(name) : reject(error))
  })
  return { work: () => (log.push(name), ended), end }
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('work of one key runs one after the other in its order, also after a failure; other keys do not wait', async () => {
  const turns = new KeyedTurns()
  const log: string[] = []
  const [a1, a2, a3, b] = [held(log, 'a1'), held(log, 'a2'), held(log, 'a3'), held(log, 'b')]
  const results = Promise.allSettled([turns.take('a', a1.work), turns.take('a', a2.work), turns.take('a', a3.work), turns.take('b', b.work)])
  await turn()
  expect(log).toEqual(['a1', 'b'])
  a1.end(new Error('failed'))
  await turn()
  expect(log).toEqual(['a1', 'b', 'a2'])
  a2.end()
  a3.end()
  b.end()
  expect((await results).map((result) => (result.status === 'fulfilled' ? result.value : (result.reason as Error).message))).toEqual([
    'failed',
    'a2',
    'a3',
    'b',
  ])
  expect(turns.size).toBe(0)
})
