import { expect, it } from 'vitest'
import { embeddedTask, isEmbedded, taskKeyString } from './task-key.js'

it('tasks of an instance have keys of their own, and one of them is embedded in its document', () => {
  const tasks = [embeddedTask('one'), { instanceId: 'one', task: 1 }, { instanceId: 'one', task: 11 }, embeddedTask('two')]
  expect(new Set(tasks.map(taskKeyString)).size).toBe(tasks.length)
  expect(tasks.map(isEmbedded)).toEqual([true, false, false, true])
})
