import { describe, expect, it } from 'vitest'
import { type Service, unitFile, variablesFile } from './service.js'

const service = (changes: Partial<Service> = {}): Service => ({
  unit: 'jobtrail-worker',
  version: '1.2.3',
  command: ['/usr/bin/node', '/usr/lib/node_modules/@jobtrail/worker/main.js'],
  user: 'jobtrail',
  runAs: undefined,
  drainTimeoutMs: 60_000,
  variables: new Map(),
  ...changes,
})
/** The values of a setting; none where it is absent. */
const valuesOf = (unit: string, name: string): string[] =>
  unit
    .split('\n')
    .filter((line) => line.startsWith(`${name}=`))
    .map((line) => line.slice(name.length + 1))

describe('the unit of a worker', () => {
  const unit = unitFile(service())

  it('asks the worker alone to stop, and gives it the time that its jobs and deliveries may take', () => {
    expect(valuesOf(unit, 'KillMode')).toEqual(['mixed'])
    // The drain, the longest time between SIGTERM and SIGKILL of a job, and the deliveries.
    expect(Number(valuesOf(unit, 'TimeoutStopSec'))).toBeGreaterThanOrEqual(60 + 600 + 30)
    expect(Number(valuesOf(unitFile(service({ drainTimeoutMs: 3_600_000 })), 'TimeoutStopSec'))).toBeGreaterThan(3_600 + 600)
  })

  it('starts it again whatever it ended of, but not when that is no use', () => {
    expect(valuesOf(unit, 'Restart')).toEqual(['always'])
    expect(valuesOf(unit, 'RestartPreventExitStatus')).toEqual(['3 4'])
    expect(Number(valuesOf(unit, 'RestartSec'))).toBeGreaterThan(0)
  })

  it('lets it make control groups, and outlive a job that takes all the memory', () => {
    expect(valuesOf(unit, 'Delegate')).toEqual(['yes'])
    expect(valuesOf(unit, 'OOMPolicy')).toEqual(['continue'])
  })

  it('runs it as its user, in that home and with a folder of its own', () => {
    expect(valuesOf(unit, 'User')).toEqual(['jobtrail'])
    expect(valuesOf(unit, 'WorkingDirectory')).toEqual(['-~'])
    expect(valuesOf(unit, 'StateDirectory')).toEqual(['jobtrail-worker'])
    expect(valuesOf(unit, 'StateDirectoryMode')).toEqual(['0700'])
    expect(valuesOf(unit, 'EnvironmentFile')).toEqual(['/etc/jobtrail/jobtrail-worker.env'])
    expect(valuesOf(unit, 'WantedBy')).toEqual(['multi-user.target'])
  })

  it('runs it as root in the home of the user of its jobs, who has to get through to the spool', () => {
    const asRoot = unitFile(service({ user: undefined, runAs: { home: '/home/50% jobs' } }))
    expect(valuesOf(asRoot, 'User')).toEqual(['root'])
    expect(valuesOf(asRoot, 'WorkingDirectory')).toEqual(['-/home/50%% jobs'])
    expect(valuesOf(asRoot, 'StateDirectoryMode')).toEqual(['0711'])
    expect(valuesOf(unitFile(service({ user: undefined, runAs: { home: undefined } })), 'WorkingDirectory')).toEqual([])
  })

  it('starts a program of any name', () => {
    const command = ['/opt/node 20/bin/node', String.raw`/opt/100%/a"b\c$d/main.js`]
    expect(valuesOf(unitFile(service({ command })), 'ExecStart')).toEqual([String.raw`"/opt/node 20/bin/node" "/opt/100%%/a\"b\\c$$d/main.js"`])
  })

  it('has neither settings nor token in it, which everybody may read', () => {
    expect(unitFile(service({ variables: new Map([['JOBTRAIL_TOKEN', 'jtw_secret']]) }))).toBe(unit)
  })
})

it('the settings of a worker are quoted as systemd reads them', () => {
  const variables = new Map([
    ['JOBTRAIL_TAGS', 'gpu,x64'],
    ['JOBTRAIL_NAME', 'a "b" \\ $HOME `c` # d'],
  ])
  expect(variablesFile({ variables })).toBe('JOBTRAIL_TAGS="gpu,x64"\nJOBTRAIL_NAME="a \\"b\\" \\\\ \\$HOME \\`c\\` # d"\n')
})
