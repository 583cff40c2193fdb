import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import type { JobView } from '@jobtrail/shared/api/jobs'
import { newDraft } from './job-draft'
import { exportOf, importOf } from './transfer'

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

describe('export and import', () => {
  it('bring a job back as it was, but for its secrets, through JSON and through YAML', () => {
    const file = exportOf([job])
    for (const text of [parse(stringify(file)) as unknown, JSON.parse(JSON.stringify(file)) as unknown]) {
      expect(importOf(text)).toEqual([{ draft: { ...newDraft('Europe/Berlin'), name: 'nightly' }, name: 'nightly', errors: {}, droppedSecrets: [] }])
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
