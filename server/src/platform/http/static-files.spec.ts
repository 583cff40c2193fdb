import { describe, expect, it } from 'vitest'
import { cacheControlOf, compressibleType, isFilePath, isPageRequest } from './static-files.js'

const HTML = 'text/html,application/xhtml+xml,*/*;q=0.8'

describe('static files', () => {
  it.each(['/api', '/api/jobs', '/API/jobs', '/downloads/jobtrail-worker.tgz', '/health/live', '/metrics', '/socket.io/'])(
    'are never looked for at %s',
    (path) => {
      expect(isFilePath(path)).toBe(false)
      expect(isPageRequest('GET', path, HTML)).toBe(false)
    },
  )

  it.each(['/', '/jobs/nightly.v2', '/apiary', '/assets/index.js'])('are looked for at %s', (path) => expect(isFilePath(path)).toBe(true))

  it('give the page to browsers that open one, not to what asks for something else', () => {
    expect(isPageRequest('GET', '/jobs/nightly.v2', HTML)).toBe(true)
    expect(isPageRequest('HEAD', '/', HTML)).toBe(true)
    expect(isPageRequest('GET', '/missing.js', '*/*')).toBe(false)
    expect(isPageRequest('GET', '/missing.js', undefined)).toBe(false)
    expect(isPageRequest('POST', '/jobs', HTML)).toBe(false)
  })

  it.each(['/../secret', '/..%2fsecret', '/%2e%2e/secret', '/a/..%5c..%5csecret', '/%E0%A4%A'])('are no way out of the folder: %s', (path) => {
    expect(isPageRequest('GET', path, HTML)).toBe(false)
  })

  it('are kept for ever only when their name changes with their content', () => {
    expect(cacheControlOf('/srv/console/assets/index-BxY12_cD.js')).toContain('immutable')
    expect(cacheControlOf('/srv/console/index.html')).toBe('no-cache')
    expect(cacheControlOf('/srv/console/assets/logo.svg')).toBe('no-cache')
    expect(cacheControlOf('/srv/console/favicon-longhash.svg')).toBe('no-cache')
  })

  it('are sent compressed when they are of one name in the folder of hashed files', () => {
    expect(compressibleType('/assets/index-BxY12_cD.js')).toBe('js')
    for (const path of ['/assets/../secret.js', '/assets/..%2fsecret.js', '/assets/a/b.js', '/assets/.hidden.js', '/index.html', '/assets/index.js.br'])
      expect(compressibleType(path)).toBeUndefined()
  })
})
