import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { temporaryFolder } from './testing/samples.js'
import { helpText, parseConfig, readCommandLine, SETTINGS, type WorkerConfigInput } from './config.js'
import type { WorkerSettings } from './sdk-types.js'

const required = { JOBTRAIL_SERVER: 'http://lb:7700', JOBTRAIL_TOKEN: 'secret-token' }
const configOf = (args: string[], env: Record<string, string> = required) => {
  const line = readCommandLine(args, env)
  if (line.kind !== 'run') throw new Error(`unexpected ${line.kind}`)
  return line.config
}

describe('configuration', () => {
  it('has the settings that the SDK declares', () => {
    // Compared by the compiler.
    expectTypeOf<WorkerSettings>().toEqualTypeOf<WorkerConfigInput>()
  })

  it('takes what is missing from the defaults', () => {
    const config = configOf([])
    expect(config).toMatchObject({
      server: ['http://lb:7700'],
      group: 'default',
      tags: [],
      spoolLimitBytes: 1_073_741_824,
      drainTimeoutMs: 60_000,
      logLevel: 'info',
    })
    expect(config.slots).toBeGreaterThan(0)
    expect(config.spoolDir).toMatch(/^\/.*\.jobtrail-spool$/)
    expect(Object.isFrozen(config)).toBe(true)
  })

  it('prefers the command line to the environment and takes lists in both forms', () => {
    const config = configOf(['--server', 'http://a:1,https://b', '--server=http://c', '--tags', 'gpu, linux', '--slots', '3'], {
      ...required,
      JOBTRAIL_SLOTS: '9',
      JOBTRAIL_TAGS: 'x',
    })
    expect(config.server).toEqual(['http://a:1', 'https://b', 'http://c'])
    expect(config.tags).toEqual(['gpu', 'linux'])
    expect(config.slots).toBe(3)
  })

  it('takes every log level that a server takes', () => {
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
      expect(configOf([], { ...required, JOBTRAIL_LOG_LEVEL: level }).logLevel).toBe(level)
  })

  it('names a wrong value and what would be right', () => {
    expect(() => configOf(['--slots', 'many'])).toThrow('--slots (JOBTRAIL_SLOTS): "many" is wrong; must be a whole number from 1 to 10000')
    expect(() => configOf(['--slots', '0'])).toThrow('must be a whole number from 1 to 10000')
    expect(() => configOf([], { JOBTRAIL_TOKEN: 't', JOBTRAIL_SERVER: 'lb:7700' })).toThrow('--server (JOBTRAIL_SERVER): "lb:7700" is wrong; must be the URL')
    expect(() => configOf(['--log-level', 'loud'])).toThrow('must be one of trace, debug, info, warn, error, fatal')
    expect(() => configOf(['--group', 'a b'])).toThrow('--group (JOBTRAIL_GROUP)')
    expect(() => configOf(['--handler-isolation', 'thread'])).toThrow(
      '--handler-isolation (JOBTRAIL_HANDLER_ISOLATION): "thread" is wrong; must be none or process',
    )
    expect(() => configOf(['--nonsense'])).toThrow('--nonsense')
  })

  it('says what is missing, all at once, and never shows the token', () => {
    expect(() => configOf([], {})).toThrow(/--server \(JOBTRAIL_SERVER\): missing[\s\S]*--token \(JOBTRAIL_TOKEN\): missing/)
    expect(() => parseConfig({ server: 'http://a', token: 12345 })).toThrow(/--token \(JOBTRAIL_TOKEN\): wrong/)
  })

  it('takes the token from a file, and only from one place', () => {
    const { path, remove } = temporaryFolder()
    try {
      const file = join(path, 'token')
      const env = { JOBTRAIL_SERVER: 'http://lb:7700', JOBTRAIL_TOKEN_FILE: file }
      expect(() => configOf([], env)).toThrow(/--token-file \(JOBTRAIL_TOKEN_FILE\): ".*" holds no token \(ENOENT/)
      writeFileSync(file, ' jtw_of-a-file\n')
      expect(configOf([], env).token).toBe('jtw_of-a-file')
      expect(configOf([], env)).not.toHaveProperty('tokenFile')
      expect(() => configOf([], { ...env, JOBTRAIL_TOKEN: 'x' })).toThrow('give either the token or the file')
      writeFileSync(file, '\n')
      expect(() => configOf([], env)).toThrow('it is empty')
    } finally {
      remove()
    }
  })

  it('isolates handlers when it is asked to', () => {
    expect(readCommandLine([], required)).toMatchObject({ isIsolated: false })
    expect(readCommandLine(['--handler-isolation', 'process'], required)).toMatchObject({ isIsolated: true })
  })

  it('lists every setting in the help', () => {
    for (const { flag, env } of Object.values(SETTINGS)) expect(helpText()).toMatch(new RegExp(`--${flag} .*${env}`))
    expect(readCommandLine(['-h'], {}).kind).toBe('help')
    expect(readCommandLine(['--version'], {}).kind).toBe('version')
  })
})
