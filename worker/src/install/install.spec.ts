import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readCommandLine } from '../config.js'
import { ConfigError } from '../errors.js'
import { temporaryFolder } from '../testing/samples.js'
import { installService, type InstallPlace, showService } from './install.js'

const TOKEN = 'jtw_secret-of-a-spec'
const UNIT = 'etc/systemd/system/jobtrail-worker.service'
const VARIABLES = 'etc/jobtrail/jobtrail-worker.env'
/** An account that there is wherever specs run. */
const ME = userInfo().username

describe('--install', () => {
  let machine: ReturnType<typeof temporaryFolder>
  beforeEach(() => {
    machine = temporaryFolder()
    mkdirSync(join(machine.path, 'run/systemd/system'), { recursive: true })
  })
  afterEach(() => machine.remove())

  const env = { JOBTRAIL_SERVER: 'http://lb:7700', JOBTRAIL_TOKEN: TOKEN }
  const place = (): InstallPlace & { root: string } => ({ program: [process.execPath, '-e', '0'], root: machine.path })
  function install(args: string[], variables: Record<string, string> = env): string {
    const line = readCommandLine(['--install', ...args], variables)
    if (line.kind !== 'install') throw new Error(`unexpected ${line.kind}`)
    return (line.isOnlyPrinted ? showService : installService)(line, place())
  }
  const read = (path: string): string => readFileSync(join(machine.path, path), 'utf8')
  const modeOf = (path: string): number => statSync(join(machine.path, path)).mode & 0o777

  it('writes the unit for all to read and the token for root alone, and says that nothing was started', () => {
    const said = install(['--service-user', ME, '--tags', 'gpu', '--tags', 'x64', '--slots', '3'])
    expect(said).toMatch(/Nothing has been started[\s\S]*systemctl daemon-reload && systemctl enable --now jobtrail-worker\n/)
    expect(said).not.toContain(TOKEN)
    expect(read(UNIT)).toContain(`ExecStart="${process.execPath}"`)
    expect(read(UNIT)).not.toContain(TOKEN)
    expect(read(VARIABLES).split('\n')).toEqual([
      `JOBTRAIL_TOKEN="${TOKEN}"`,
      'JOBTRAIL_SERVER="http://lb:7700"',
      'JOBTRAIL_TAGS="gpu,x64"',
      'JOBTRAIL_SLOTS="3"',
      'JOBTRAIL_SPOOL_DIR="/var/lib/jobtrail-worker/spool"',
      '',
    ])
    expect([modeOf(UNIT), modeOf(VARIABLES)]).toEqual([0o644, 0o600])
  })

  it('keeps the token of a file itself, and makes paths absolute', () => {
    const file = join(machine.path, 'token')
    writeFileSync(file, `${TOKEN}\n`)
    const args = ['--service-user', ME, '--token-file', file, '--spool-dir', 'spool', '--handlers', 'handlers.mjs', '--handler-isolation', 'process']
    install(args, { JOBTRAIL_SERVER: 'http://lb:7700' })
    const variables = read(VARIABLES)
    expect(variables).toContain(`JOBTRAIL_TOKEN="${TOKEN}"`)
    expect(variables).not.toContain('JOBTRAIL_TOKEN_FILE')
    expect(variables).toContain(`JOBTRAIL_SPOOL_DIR="${join(process.cwd(), 'spool')}"`)
    expect(variables).toContain(`JOBTRAIL_HANDLERS="${join(process.cwd(), 'handlers.mjs')}"`)
    expect(variables).toContain('JOBTRAIL_HANDLER_ISOLATION="process"')
  })

  it('writes over nothing, and has a second worker by another name', () => {
    install(['--service-user', ME])
    const before = read(UNIT)
    expect(() => install(['--service-user', ME, '--slots', '9'])).toThrow(/jobtrail-worker\.env is there already.*--unit/)
    expect(read(UNIT)).toBe(before)
    install(['--service-user', ME, '--unit', 'jobtrail-gpu'])
    expect(read('etc/systemd/system/jobtrail-gpu.service')).toContain('EnvironmentFile=/etc/jobtrail/jobtrail-gpu.env')
    expect(read('etc/jobtrail/jobtrail-gpu.env')).toContain('JOBTRAIL_SPOOL_DIR="/var/lib/jobtrail-gpu/spool"')
  })

  it('refuses without systemd, and leaves no token behind where the unit cannot be written', () => {
    const { remove, path } = temporaryFolder()
    try {
      const line = readCommandLine(['--install'], env)
      if (line.kind !== 'install') throw new Error(`unexpected ${line.kind}`)
      expect(() => installService(line, { ...place(), root: path })).toThrow(/systemd does not run this machine.*--install --print/)
    } finally {
      remove()
    }
    // As a folder that may not be written; root may write any.
    writeFileSync(join(machine.path, 'etc'), '')
    expect(() => install(['--service-user', ME])).toThrow(/cannot be written.*sudo/)
    expect(existsSync(join(machine.path, VARIABLES))).toBe(false)
  })

  it('refuses a user that there is not, two users, and what a file of one variable a line cannot hold', () => {
    expect(() => install(['--service-user', 'no-such-user-here'])).toThrow(/no user "no-such-user-here".*useradd --system/)
    expect(() => install(['--run-as-user', ME, '--service-user', 'jobtrail'])).toThrow(ConfigError)
    expect(() => install(['--service-user', 'a\nUser=root'])).toThrow('is no name of a user')
    expect(() => install(['--service-user', ME, '--name', 'a\nNODE_OPTIONS=x'])).toThrow('JOBTRAIL_NAME has a control character')
    expect(() => install(['--unit', '../x'])).toThrow('--unit: "../x" is wrong')
    expect(existsSync(join(machine.path, 'etc'))).toBe(false)
  })

  it('only shows the service when it is asked to, on any machine, without a token and never with one', () => {
    machine.remove()
    const shown = install(['--print'], { JOBTRAIL_SERVER: 'http://lb:7700' })
    expect(shown).toMatch(/^# \/etc\/systemd\/system\/jobtrail-worker\.service\n/)
    expect(shown).toContain('User=jobtrail\n')
    expect(shown).toContain('JOBTRAIL_TOKEN="jtw_…"\n')
    expect(install(['--print'])).toBe(shown)
    expect(install(['--print', '--run-as-user', 'no-such-user-here'])).toContain('User=root\n')
    expect(existsSync(machine.path)).toBe(false)
  })
})
