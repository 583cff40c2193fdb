import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readCommandLine } from '../config.js'
import { needsLinux, needsOrdinaryUser } from '../testing/needs.js'
import { temporaryFolder } from '../testing/samples.js'
import { checkAll } from './check.js'
import { printFindings } from './finding.js'
import { checkNode, checkProcesses, checkSpool, checkUser } from './host.js'
import { clockFinding } from './server.js'

const MIB = 1024 * 1024
const stateOf = (findings: readonly { state: string }[]): string[] => findings.map(({ state }) => state)

describe('--check', () => {
  it('asks for a Node.js that the worker runs on', () => {
    for (const version of ['20.19.0', '20.20.2', '24.0.0']) expect(checkNode(version)).toMatchObject({ state: 'ok', text: version })
    for (const version of ['20.18.9', '18.20.0'])
      expect(checkNode(version)).toMatchObject({ state: 'missing', text: expect.stringContaining('20.19 or newer') })
  })

  it('says what is weaker where there is no Linux', () => {
    expect(stateOf(checkProcesses('darwin'))).toEqual(['weaker'])
  })

  it('looks at /proc, the shell and control groups', (context) => {
    needsLinux(context)
    expect(checkProcesses('linux').map(({ what }) => what)).toEqual(['/proc', '/bin/sh', 'control groups'])
    expect(stateOf(checkProcesses('linux').slice(0, 1))).toEqual(['ok'])
  })

  it('names a user that jobs cannot run as', () => {
    expect(checkUser('no-such-user-here')).toMatchObject({ state: 'missing', text: expect.stringContaining('--run-as-user') })
    expect(checkUser(undefined).state).toBe(process.getuid?.() === 0 ? 'weaker' : 'ok')
  })

  it('tries the spool folder and leaves nothing in it, nor makes it', () => {
    const { path, remove } = temporaryFolder()
    try {
      expect(checkSpool(path, MIB)).toMatchObject([{ state: 'ok', text: expect.stringMatching(/can be written, [\d,]+ MiB free$/) }])
      expect(readdirSync(path)).toEqual([])
      expect(checkSpool(join(path, 'a/b'), MIB)).toMatchObject([{ state: 'ok', text: expect.stringContaining('can be made') }])
      expect(existsSync(join(path, 'a'))).toBe(false)
      expect(checkSpool(path, Number.MAX_SAFE_INTEGER)).toMatchObject([{ state: 'weaker', text: expect.stringContaining('--spool-limit-bytes') }])
      writeFileSync(join(path, 'file'), '')
      expect(checkSpool(join(path, 'file'), MIB)).toMatchObject([{ state: 'missing', text: expect.stringContaining('it is no folder') }])
    } finally {
      remove()
    }
  })

  it('names a spool folder that this user cannot write', (context) => {
    needsOrdinaryUser(context)
    const { path, remove } = temporaryFolder()
    try {
      mkdirSync(join(path, 'closed'))
      chmodSync(join(path, 'closed'), 0o500)
      expect(stateOf(checkSpool(join(path, 'closed'), MIB))).toEqual(['missing'])
      expect(stateOf(checkSpool(join(path, 'closed/spool'), MIB))).toEqual(['missing'])
    } finally {
      remove()
    }
  })

  it('says how far the clock is off, and in which direction', () => {
    expect(clockFinding(900).state).toBe('ok')
    expect(clockFinding(-4_000).state).toBe('ok')
    expect(clockFinding(61_000)).toMatchObject({ state: 'weaker', text: expect.stringContaining('61 s ahead of the server') })
    expect(clockFinding(-3_600_000)).toMatchObject({ state: 'weaker', text: expect.stringContaining('3,600 s behind the server') })
  })

  it('can be asked before there is a server or a token, and says that they are missing', async () => {
    const line = readCommandLine(['--check'], {})
    if (line.kind !== 'check') throw new Error(`unexpected ${line.kind}`)
    const text = printFindings(await checkAll(line.config, line))
    expect(text).toMatch(/^missing {2}server: not given\. Set --server \(JOBTRAIL_SERVER\)/m)
    expect(text).toMatch(/^missing {2}token: not given\. .*--token-file \(JOBTRAIL_TOKEN_FILE\)/m)
    expect(text).toMatch(/^(ok {7}|weaker {3}|missing {2})[^:\n]+: .+\n(.+: .+\n)*$/)
  })
})
