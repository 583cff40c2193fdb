import { describe, expect, it } from 'vitest'
import { JobDefinition } from '@jobtrail/shared/api/jobs'
import { newDraft } from './job-draft'
import { problemWords } from './problem-words'

const draft = { ...newDraft('UTC'), name: 'job' }
const keysOf = (input: unknown): (string | undefined)[] => (JobDefinition.safeParse(input).error?.issues ?? []).map(({ message }) => problemWords(message)?.key)

describe('the words for a problem', () => {
  it.each([
    [{ ...draft, name: 'a b' }, 'name'],
    [{ ...draft, trigger: { kind: 'cron', expression: '* * *', timeZone: 'UTC' } }, 'cronFields'],
    [{ ...draft, trigger: { kind: 'cron', expression: '* * 32 * *', timeZone: 'UTC' } }, 'cronField'],
    [{ ...draft, trigger: { kind: 'cron', expression: '0 0 30 2 *', timeZone: 'UTC' } }, 'neverFires'],
    [{ ...draft, trigger: { kind: 'cron', expression: '* * * * *', timeZone: 'Mars' } }, 'timeZone'],
    [{ ...draft, trigger: { kind: 'interval', everyMs: 5 } }, 'atLeast'],
    [{ ...draft, trigger: { kind: 'once', at: '' } }, 'time'],
    [{ ...draft, trigger: { kind: 'after', job: '' } }, 'job'],
    [{ ...draft, processor: { kind: 'shell' } }, 'scriptOrCommand'],
    [{ ...draft, processor: { kind: 'handler', handler: '' } }, 'required'],
    [{ ...draft, secrets: { A: 'x' } }, 'shortSecret'],
    [{ ...draft, priority: 5_000 }, 'atMost'],
    [{ ...draft, description: 'x'.repeat(2_001) }, 'tooLong'],
    [{ ...draft, params: { a: 'x'.repeat(70_000) } }, 'paramsSize'],
    [{ ...draft, params: { a: JSON.parse('['.repeat(150) + ']'.repeat(150)) as unknown } }, 'paramsDepth'],
  ])('are known for what the form can get wrong (%#)', (input, key) => {
    expect(keysOf(input)).toContain(key)
  })

  it('are the message itself where it says something particular', () => {
    expect(problemWords('the disk is full')).toBeUndefined()
  })
})
