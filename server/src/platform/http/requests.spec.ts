import { describe, expect, it } from 'vitest'
import { acceptedEncodings, isUnchanged, pathOf } from './requests.js'

describe('encodings of an answer', () => {
  it.each([
    [undefined, ['identity']],
    ['', ['identity']],
    ['br', ['br', 'identity']],
    ['gzip, deflate, br', ['gzip', 'br', 'identity']],
    ['gzip;q=0.5, br;q=0.8', ['br', 'gzip', 'identity']],
    ['GZIP', ['gzip', 'identity']],
    ['*', ['br', 'gzip', 'identity']],
    ['identity, gzip;q=0.5', ['identity', 'gzip']],
    ['br;q=0, *', ['gzip', 'identity']],
    ['gzip, identity;q=0', ['gzip']],
    ['zstd', ['identity']],
    ['gzip;q=none', ['identity']],
  ])('for Accept-Encoding: %s', (header, expected) => expect(acceptedEncodings(header, ['br', 'gzip', 'identity'])).toEqual(expected))
})

describe('a tag that the caller has', () => {
  it.each([
    ['"a"', true],
    ['W/"a"', true],
    ['"b", "a"', true],
    ['*', true],
    ['"b"', false],
    [undefined, false],
  ])('%s', (given, expected) => expect(isUnchanged(given, '"a"')).toBe(expected))
})

it('the path of a request is without its query', () => {
  expect(pathOf({ url: '/api/jobs?limit=1?2' })).toBe('/api/jobs')
  expect(pathOf({ url: '/api/%2e' })).toBe('/api/%2e')
})
