import { describe, expect, it } from 'vitest'
import { ExactJson } from '@jobtrail/api/exact-json'
import { parseBody } from './exact-bodies.js'

const parse = (text: string, type = 'application/json'): unknown => parseBody(Buffer.from(text), type)

describe('a body', () => {
  it('is the value of its JSON, with JSON of users as it was written', () => {
    expect(parse('{"name":"a"}', 'Application/JSON; charset="UTF-8"')).toEqual({ name: 'a' })
    expect(parse('{"params":{"one":1.0},"name":"a"}')).toEqual({ params: new ExactJson('{"one":1.0}'), name: 'a' })
    for (const other of ['7', 'null', '[]']) expect(parse(other)).toEqual(JSON.parse(other))
  })

  it('is none when it is empty, or of another type', () => {
    expect(parse('')).toBeUndefined()
    for (const type of ['text/plain', 'application/jsonp', 'application/json-patch+json']) expect(parse('{}', type)).toBeUndefined()
    expect(parseBody(Buffer.from('{}'), undefined)).toBeUndefined()
  })

  it('that is no JSON, or not in UTF-8, is refused with what is wrong', () => {
    expect(() => parse('{"a":')).toThrow(
      expect.objectContaining({ code: 'VALIDATION_FAILED', message: expect.stringMatching(/^The body is not valid JSON: ./) }),
    )
    expect(() => parseBody(Buffer.from([0x22, 0xff, 0x22]), 'application/json')).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }))
    expect(() => parse('{}', 'application/json; charset=latin1')).toThrow(expect.objectContaining({ status: 415 }))
  })
})
