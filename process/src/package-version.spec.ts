import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { packageVersion } from './package-version.js'

test('the nearest package.json counts, from however deep', () => {
  const dir = mkdtempSync(join(tmpdir(), 'version-'))
  try {
    mkdirSync(join(dir, 'inner/dist/bundle'), { recursive: true })
    writeFileSync(join(dir, 'package.json'), '{"version":"1.0.0"}')
    writeFileSync(join(dir, 'inner/package.json'), '{"version":"2.3.4"}')
    expect(packageVersion(pathToFileURL(join(dir, 'inner/dist/bundle/main.js')).href)).toBe('2.3.4')
    expect(packageVersion(pathToFileURL(join(dir, 'other.js')).href)).toBe('1.0.0')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
