import { describe, expect, it } from 'vitest'
import { CreateJob } from '@jobtrail/api/jobs'
import { errorAt, errorsOfIssues, errorsOfProblem, pathText, withoutErrorsAt } from './field-path'

const issuesOf = (input: unknown) => CreateJob.safeParse(input).error?.issues ?? []
const job = { name: 'a', trigger: { kind: 'manual' }, processor: { kind: 'shell', script: 'true' } }

describe('paths of fields', () => {
  it('are written as the server writes them', () => {
    expect(pathText(['processor', 'env', 'a b'])).toBe('processor.env["a b"]')
    expect(pathText(['routing', 'tags', 2])).toBe('routing.tags[2]')
  })

  it('name the field that the schema refuses', () => {
    const errors = errorsOfIssues(issuesOf({ ...job, name: '', trigger: { kind: 'cron', expression: '61 * * * *' }, nonsense: 1 }))
    expect(Object.keys(errors).toSorted()).toEqual(['name', 'nonsense', 'trigger.expression'])
  })
})

describe('errors of fields', () => {
  const errors = errorsOfProblem([
    { path: 'routing.tags[2]', message: 'must be letters' },
    { path: 'name', message: 'is taken' },
    { path: 'name', message: 'is long' },
  ])

  it('are shown at the field that holds them', () => {
    expect(errorAt(errors, 'name')).toBe('is taken')
    expect(errorAt(errors, 'routing.tags')).toBe('[2]: must be letters')
    expect(errorAt(errors, 'routing.group')).toBeUndefined()
  })

  it('vanish when the field is changed', () => {
    expect(Object.keys(withoutErrorsAt(errors, 'routing.tags'))).toEqual(['name'])
    expect(withoutErrorsAt(errors, 'other')).toBe(errors)
  })
})
