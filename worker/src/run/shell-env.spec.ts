import { describe, expect, it } from 'vitest'
import { sampleAssignment } from '../testing/samples.js'
import { commandOf } from './shell.js'
import { buildEnvironment, paramsTextOf } from './shell-env.js'

const files = { params: '/s/params.json', result: '/s/result.json' }

describe('environment of an attempt', () => {
  it("never shows the worker's token or anything else of Jobtrail", () => {
    const env = buildEnvironment(
      { PATH: '/bin', JOBTRAIL_TOKEN: 't', JOBTRAIL_SERVER: 's', NODE_CHANNEL_FD: '3', NODE_OPTIONS: '--inspect', NOTIFY_SOCKET: '/run/n', GONE: undefined },
      sampleAssignment(),
      'k',
      files,
    )
    expect(env).toMatchObject({ PATH: '/bin', JOBTRAIL_ATTEMPT: 'k', JOBTRAIL_JOB_NAME: 'nightly', JOBTRAIL_ATTEMPT_NUMBER: '1' })
    for (const name of ['JOBTRAIL_TOKEN', 'JOBTRAIL_SERVER', 'NODE_CHANNEL_FD', 'NODE_OPTIONS', 'NOTIFY_SOCKET', 'GONE']) expect(env).not.toHaveProperty(name)
  })

  it('lets the job override the worker, secrets override the job, and nothing override what identifies the attempt', () => {
    const assignment = sampleAssignment({
      processor: { kind: 'shell', script: 'x', env: { A: 'job', B: 'job', JOBTRAIL_ATTEMPT: 'forged' } },
      secrets: { B: 'secret', JOBTRAIL_TASK: '9' },
      params: { 'backup-dir': '/x', deep: { n: 1 }, n: 3 },
    })
    expect(buildEnvironment({ A: 'worker', B: 'worker' }, assignment, 'k', files)).toMatchObject({
      A: 'job',
      B: 'secret',
      JOBTRAIL_ATTEMPT: 'k',
      JOBTRAIL_TASK: '0',
      JOBTRAIL_PARAM_BACKUP_DIR: '/x',
      JOBTRAIL_PARAM_DEEP: '{"n":1}',
      JOBTRAIL_PARAM_N: '3',
    })
  })

  it('gives params as they were written', () => {
    const assignment = sampleAssignment({ params: {}, paramsText: '{"n":12345678901234567890,"text":"a\\u0041"}' })
    expect(buildEnvironment({}, assignment, 'key', files)).toMatchObject({ JOBTRAIL_PARAM_N: '12345678901234567890', JOBTRAIL_PARAM_TEXT: 'aA' })
    expect(paramsTextOf(assignment)).toBe('{"n":12345678901234567890,"text":"a\\u0041"}')
  })

  it('says what to start', () => {
    expect(commandOf({ kind: 'shell', script: 'x' }, '/s')).toEqual({ file: '/bin/sh', args: ['/s'] })
    expect(commandOf({ kind: 'shell', script: 'x', interpreter: '/usr/bin/env python3 -u' }, '/s')).toEqual({
      file: '/usr/bin/env',
      args: ['python3', '-u', '/s'],
    })
    expect(commandOf({ kind: 'shell', command: 'ls', args: ['-l'] }, '/s')).toEqual({ file: 'ls', args: ['-l'] })
  })
})
