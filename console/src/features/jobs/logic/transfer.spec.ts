import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import type { JobView } from '@jobtrail/shared/api/jobs'
import { ExactJson, stringifyExact } from '@jobtrail/shared/json/exact-json'
import { newDraft } from './job-draft'
import { exportOf, importOf, needsJson, parseJobsJson } from './transfer'

const job = {
  ...newDraft('Europe/Berlin'),
  name: 'nightly',
  id: '0193c6a0-0000-7000-8000-000000000000',
  namespace: 'default',
  revision: 4,
  secrets: { TOKEN: '***' },
  nextFireAt: null,
  createdAt: '2026-11-20T00:00:00.000Z',
  updatedAt: '2026-11-20T00:00:00.000Z',
} as JobView

const ODD = '{"n":12345678901234567890,"__proto__":1.0}'

it('an exported file keeps params to the letter, and they are imported so', () => {
  const odd = { ...newDraft('UTC'), name: 'odd', params: new ExactJson(ODD) } as unknown as JobView
  const file = exportOf([odd])
  expect(needsJson(file)).toBe(true)
  const [imported] = importOf(parseJobsJson(stringifyExact(file, 2)))
  expect(imported).toMatchObject({ errors: {}, draft: { params: new ExactJson(ODD) } })
  expect(parseJobsJson('jobs:\n- name: a')).toBeUndefined()
})

describe('export and import', () => {
  it('bring a job back as it was, but for its secrets, through JSON and through YAML', () => {
    const file = exportOf([job])
    for (const text of [parse(stringify(file)) as unknown, JSON.parse(JSON.stringify(file)) as unknown]) {
      expect(importOf(text)).toEqual([
        { id: job.id, draft: { ...newDraft('Europe/Berlin'), name: 'nightly' }, name: 'nightly', errors: {}, droppedSecrets: [] },
      ])
    }
  })

  it('take what the API answers, and say which secrets are left out', () => {
    expect(importOf(job)).toMatchObject([{ name: 'nightly', errors: {}, droppedSecrets: ['TOKEN'] }])
    expect(importOf({ items: [], jobs: [job, job] })).toHaveLength(2)
  })

  it('name the field at fault of each job', () => {
    const [imported] = importOf([{ name: 'a b', trigger: { kind: 'manual' }, processor: { kind: 'shell', script: 'true' }, typo: 1 }])
    expect(Object.keys(imported?.errors ?? {}).toSorted()).toEqual(['name', 'typo'])
  })

  it.each(['text', 5, null, { some: 'thing' }, []])('refuse %j', (parsed) => {
    expect(() => importOf(parsed)).toThrow(RangeError)
  })
})
