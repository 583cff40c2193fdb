import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasCode } from '@jobtrail/deploy/errno'
import { waitFor } from '@jobtrail/deploy/wait'
import { WorkerPage, type WorkerView } from '@jobtrail/api/cluster'
import type { InstanceDetail } from '@jobtrail/api/instances'
import { LogVerification } from '@jobtrail/api/logs'
import { isCheckedLog } from '@jobtrail/protocol/domain/statuses'
import { expect, test, vi } from 'vitest'
import { waitForNoProcess } from '../support/attempt-processes.js'
import { useCluster } from '../support/cluster.js'
import { createAndRun, type JobInput, logPage, rawLog, shellJob, uniqueName, waitForInstance, waitForSealed } from '../support/factories.js'
import { runUntilPrinting, waitForKeptEnd } from '../support/spool.js'
import { Gate } from '../support/gate.js'
import type { WorkerNode } from '../support/nodes.js'

const WAIT_MS = 90_000
vi.setConfig({ testTimeout: 5 * WAIT_MS })

const cluster = useCluster({ servers: 1, workers: 1 })
const newFile = (): string => join(cluster().dir, uniqueName('file'))

const startJob = async (script: string, more: Partial<JobInput> = {}): Promise<string> => runUntilPrinting(await cluster().api(), script, more)

async function waitForEmptySpool(worker: WorkerNode): Promise<void> {
  await waitFor(() => readdirSync(join(worker.spoolDir, 'streams')).length === 0, { timeoutMs: WAIT_MS, what: `the spool of ${worker.name} to be empty` })
}

test('a worker that is killed while a process prints at full speed never has the log called whole: it ends with a line that says what may be missing', async () => {
  const api = await cluster().api()
  const worker = cluster().worker(0)
  const instanceId = await startJob('[ "$JOBTRAIL_ATTEMPT_NUMBER" = 1 ] || exit 0; exec seq 1 100000000', { retry: { maxRetries: 1, backoffMs: 50 } })
  await waitForInstance(api, instanceId, 'has printed a lot', ({ log }) => log.lines > 10_000)
  await worker.kill()
  worker.start()
  const isChecked = ({ attempts }: InstanceDetail): boolean => attempts[0] !== undefined && isCheckedLog(attempts[0].log.state)
  const { attempts } = await waitForInstance(api, instanceId, 'has the log of attempt 1 checked', isChecked, WAIT_MS)
  const { state, lines = 0, losses } = attempts[0]?.log ?? {}
  expect({ state, losses }).toEqual({ state: 'partial', losses: [{ reason: 'worker-died', at: lines - 1, lines: null, bytes: null }] })
  const whole = (await rawLog(api, instanceId, 'attempt=1')).toString().split('\n').slice(0, -1)
  expect(whole.at(-1)).toBe('[jobtrail] the worker died here; output after this line may be missing')
  expect(whole.slice(0, -1).every((text, i) => text === String(i + 1))).toBe(true)
  const verification = await api.get(`/api/instances/${instanceId}/logs/verify?attempt=1`, LogVerification)
  expect(verification).toMatchObject({ valid: true, state: 'partial', lines })
  await cluster().waitForWorkers()
})

test('a worker that finds one byte of its spool changed delivers all that is intact, with a line in the place of what is not', async () => {
  const api = await cluster().api()
  const worker = cluster().worker(0)
  const gate = new Gate(newFile())
  const instanceId = await startJob(`echo 0; ${gate.shell(1)}; seq 1 5000`)
  const { balancer } = cluster()
  // Killed, not paused: nothing that is on its way arrives later.
  await balancer?.kill()
  try {
    gate.open()
    await waitForKeptEnd(worker, instanceId)
    await worker.kill()
    const dir = join(worker.spoolDir, 'streams')
    const file = join(dir, readdirSync(dir).find((name) => name.startsWith(instanceId)) ?? expect.fail('no spool file'))
    const bytes = readFileSync(file)
    const middle = bytes.length >> 1
    bytes[middle] = (bytes[middle] ?? 0) ^ 1
    writeFileSync(file, bytes)
  } finally {
    await balancer?.start()
  }
  worker.start()
  const { status, log } = await waitForSealed(api, instanceId, WAIT_MS)
  expect({ status, state: log.state, losses: log.losses }).toMatchObject({ status: 'SUCCEEDED', state: 'partial', losses: [{ reason: 'damaged' }] })
  const { at = 0, lines } = log.losses?.[0] ?? {}
  const lost = lines ?? 0
  expect(lost).toBeGreaterThan(0)
  expect(log.lines).toBe(5_001 - lost + 1)
  const kept = (await rawLog(api, instanceId, 'stream=stdout'))
    .toString()
    .split('\n')
    .filter((text) => /^\d+$/.test(text))
  expect(kept).toEqual(Array.from({ length: 5_001 }, (_, i) => String(i)).filter((_, i) => i < at || i >= at + lost))
  expect((await logPage(api, instanceId, `from=${at}&limit=1`)).lines).toMatchObject([{ stream: 'system', text: expect.stringContaining('are lost here') }])
  expect(await api.get(`/api/instances/${instanceId}/logs/verify`, LogVerification)).toMatchObject({ valid: true, state: 'partial' })
  await waitForEmptySpool(worker)
  await cluster().waitForWorkers()
})

test('output that is cut off after the end of its process is named: the log is not whole', async () => {
  const api = await cluster().api()
  const { instanceId } = await createAndRun(api, shellJob('(i=0; while :; do i=$((i + 1)); echo $i; sleep 0.2; done) & echo begun'))
  const { status, log } = await waitForSealed(api, instanceId, WAIT_MS)
  expect(status).toBe('SUCCEEDED')
  expect(log).toMatchObject({ state: 'partial', losses: [{ reason: 'cut-off', at: log.lines - 1, lines: null, bytes: null }] })
  const { lines } = await logPage(api, instanceId, 'from=-1&limit=1')
  expect(lines).toMatchObject([{ stream: 'system', text: '[jobtrail] output of what was left in the background is cut off here' }])
})

const asRoot = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0

/** Mounting needs root, and a system that lets it. */
function mountSmallDisk(): string | undefined {
  const folder = newFile()
  mkdirSync(folder)
  return process.getuid?.() === 0 && asRoot('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder) ? folder : undefined
}

function fill(file: string): void {
  const block = Buffer.alloc(64 * 1024)
  try {
    for (;;) appendFileSync(file, block)
  } catch (error) {
    if (!hasCode(error, 'ENOSPC')) throw error
  }
}

test('a worker whose disk is full delivers what runs, ends what is cancelled or takes too long, takes nothing new and says why, also after a restart, and goes on by itself', async (context) => {
  const folder = mountSmallDisk()
  if (folder === undefined) return context.skip('a small disk can only be mounted by root, where mounting is allowed')
  const api = await cluster().api()
  const worker = await cluster().addWorker({ args: ['--group', 'tiny', '--spool-dir', folder] })
  try {
    await cluster().waitForWorkers()
    const routing = { group: 'tiny' }
    const tiny = async (): Promise<WorkerView | undefined> => (await api.get('/api/workers', WorkerPage)).items.find(({ group }) => group === 'tiny')
    const problem = async (): Promise<string | null | undefined> => (await tiny())?.problem
    const waitForProblem = (isWanted: boolean): Promise<true> =>
      waitFor(async () => typeof (await problem()) === (isWanted ? 'string' : 'object'), { timeoutMs: WAIT_MS, what: `${isWanted ? 'a' : 'no'} problem` })
    const gate = new Gate(newFile())
    const running = await startJob(`echo 0; ${gate.shell(1)}; seq 1 200000`, { routing })
    const endless = `echo 0; ${gate.shell(1)}; while :; do seq 1 1000; done`
    const cancelled = await startJob(endless, { routing })
    const timed = await startJob(endless, { routing, timeoutMs: 10_000 })
    const filler = join(folder, 'filler')
    fill(filler)
    await waitForProblem(true)
    gate.open()
    expect(await waitForSealed(api, running, WAIT_MS)).toMatchObject({ status: 'SUCCEEDED', log: { state: 'sealed', lines: 200_001 } })
    await waitForInstance(api, cancelled, 'prints', ({ log }) => log.lines > 1_000, WAIT_MS)
    await api.post(`/api/instances/${cancelled}/cancel`)
    for (const [id, status] of [
      [cancelled, 'CANCELLED'],
      [timed, 'TIMED_OUT'],
    ] as const) {
      expect(await waitForSealed(api, id, WAIT_MS)).toMatchObject({ status, attempts: [{ status }] })
      await waitForNoProcess([id], 1)
    }
    expect(await problem()).toEqual(expect.any(String))
    const { instanceId: waiting } = await createAndRun(api, shellJob('echo done', { routing }))
    // Not only once: what a start may have given up is gone at the next.
    for (let start = 0; start < 3; start++) {
      await worker.kill()
      fill(filler)
      const before = (await tiny())?.connectedAt
      worker.start()
      await waitFor(async () => (await tiny())?.connectedAt !== before, { timeoutMs: WAIT_MS, what: `start ${start + 1} on the full disk` })
      await waitForProblem(true)
    }
    expect(await waitForInstance(api, waiting, 'waits', ({ waitingFor }) => waitingFor !== null, WAIT_MS)).toMatchObject({ status: 'WAITING', attempt: 0 })
    rmSync(filler)
    expect(await waitForSealed(api, waiting, WAIT_MS)).toMatchObject({ status: 'SUCCEEDED', attempt: 1, log: { lines: 1 } })
    await waitForProblem(false)
  } finally {
    await worker.kill()
    asRoot('umount', '-l', folder)
  }
})
