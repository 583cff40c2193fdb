import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { leaseClock } from '../lease.js'
import { statOf } from './processes.js'
import { needsLinux } from '../testing/needs.js'
import type { GuardMessage } from './protocol.js'

const GUARD = fileURLToPath(new URL('../../dist/guard/guard.js', import.meta.url))

describe('guard', () => {
  beforeEach(needsLinux)
  const started: ChildProcess[] = []
  afterEach(() => started.splice(0).forEach((child) => child.kill('SIGKILL')))

  function startGuard() {
    const guard = spawn(process.execPath, [GUARD], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] })
    started.push(guard)
    const tell = (message: GuardMessage) => guard.stdin.write(`${JSON.stringify(message)}\n`)
    return { guard, tell }
  }
  function startAttempt(key: string) {
    const child = spawn('sleep', ['100'], { detached: true, stdio: 'ignore', env: { JOBTRAIL_ATTEMPT: key } })
    started.push(child)
    const group = child.pid ?? 0
    return { ended: once(child, 'exit'), group, start: statOf(group)?.start ?? '' }
  }

  it('kills what runs when the worker is gone, known by group or only by its marker', async () => {
    const { guard, tell } = startGuard()
    const [known, unknown, other] = [startAttempt('spec-known'), startAttempt('spec-starting'), startAttempt('spec-other')]
    tell({ kind: 'starting', key: 'spec-starting' })
    tell({ kind: 'started', key: 'spec-known', group: known.group, start: known.start })
    tell({ kind: 'started', key: 'spec-gone', group: other.group, start: other.start })
    tell({ kind: 'gone', key: 'spec-gone' })
    guard.stdin.end()
    expect(await known.ended).toEqual([null, 'SIGKILL'])
    expect(await unknown.ended).toEqual([null, 'SIGKILL'])
    await once(guard, 'exit')
    expect(statOf(other.group)?.start).toBe(other.start)
  })

  it('does not kill a group whose leader is another process by now', async () => {
    const { guard, tell } = startGuard()
    const other = startAttempt('spec-reused')
    tell({ kind: 'started', key: 'spec-long-ago', group: other.group, start: '1' })
    guard.stdin.end()
    await once(guard, 'exit')
    expect(statOf(other.group)?.start).toBe(other.start)
  })

  it('kills at the end of the lease, and lives on', async () => {
    const { guard, tell } = startGuard()
    const first = startAttempt('spec-first')
    tell({ kind: 'started', key: 'spec-first', group: first.group, start: first.start })
    tell({ kind: 'lease', deadline: leaseClock() + 60_000 })
    tell({ kind: 'lease', deadline: leaseClock() + 50 })
    expect(await first.ended).toEqual([null, 'SIGKILL'])
    process.kill(guard.pid ?? 0, 'SIGTERM')
    const second = startAttempt('spec-second')
    tell({ kind: 'started', key: 'spec-second', group: second.group, start: second.start })
    tell({ kind: 'lease', deadline: leaseClock() })
    expect(await second.ended).toEqual([null, 'SIGKILL'])
  })
})
