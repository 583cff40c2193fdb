import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { hasCode } from '@jobtrail/deploy/errno'
import { WaitAbortedError, waitFor } from '@jobtrail/deploy/wait'
import type { InstanceDetail } from '@jobtrail/api/instances'
import type { LogLineView } from '@jobtrail/api/logs'
import { isCheckedLog } from '@jobtrail/protocol/domain/statuses'
import { genesisDigest } from '@jobtrail/protocol/log/codec'
import { membersOf } from '@jobtrail/protocol/json/json-text'
import { describe, expect, test, vi } from 'vitest'
import { pidOf } from '../bench/harness/cluster-roles.js'
import { childrenOf } from '../bench/harness/process-meter.js'
import { attemptProcesses, listProcesses, waitForNoProcess } from '../support/attempt-processes.js'
import { useCluster } from '../support/cluster.js'
import { createAndRun, type JobInput, logPage, rawLog, shellJob, uniqueName, waitForInstance, waitForSealed } from '../support/factories.js'
import { runUntilPrinting, waitForKeptEnd } from '../support/spool.js'
import { Gate } from '../support/gate.js'
import type { WorkerNode } from '../support/nodes.js'

const LIMIT_BYTES = 1_048_576
const WAIT_MS = 90_000
// Several such waits in a row, on a machine that may be busy.
vi.setConfig({ testTimeout: 5 * WAIT_MS })

/** Worker 0 is an ordinary one, worker 1 has a small spool. Leases outlast whatever a test breaks: here it is about the spool. */
const cluster = useCluster({
  servers: 2,
  workers: 2,
  serverEnv: { JOBTRAIL_LEASE_MS: '180000' },
  workerArgs: (index) => (index === 0 ? [] : ['--group', 'small', '--spool-limit-bytes', String(LIMIT_BYTES)]),
})

const newFile = (): string => join(cluster().dir, uniqueName('file'))
const isThere = (file: string): Promise<true> => waitFor(() => existsSync(file), { timeoutMs: WAIT_MS, what: `${file} to be there` })
const sha256 = (content: Buffer | string): string => createHash('sha256').update(content).digest('hex')

const startJob = async (script: string, more: Partial<JobInput> = {}): Promise<string> => runUntilPrinting(await cluster().api(), script, more)

/** Bytes of captured output that a worker holds on disk. */
function spooledBytes(worker: WorkerNode): number {
  const dir = join(worker.spoolDir, 'streams')
  return readdirSync(dir).reduce((sum, name) => sum + sizeOf(join(dir, name)), 0)
}

/** Files are removed while they are looked at. */
function sizeOf(file: string): number {
  try {
    return statSync(file).size
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0
    throw error
  }
}

async function waitForEmptySpool(worker: WorkerNode): Promise<void> {
  await waitFor(() => spooledBytes(worker) === 0, { timeoutMs: WAIT_MS, what: `the spool of ${worker.name} to be empty` })
}

describe('while no server can be reached', () => {
  test('a process goes on, what it prints waits in the spool, and is delivered and sealed later', async () => {
    const gate = new Gate(newFile())
    const isPrinted = newFile()
    const instanceId = await startJob(`echo before; ${gate.shell(1)}; seq 1 200000; touch '${isPrinted}'; ${gate.shell(2)}; echo after >&2`)
    const { balancer, servers } = cluster()
    balancer?.pause()
    try {
      gate.open()
      await isThere(isPrinted)
      for (const { url } of servers) expect(await logPage(await cluster().api(url), instanceId)).toMatchObject({ state: 'open', total: 1 })
      await waitFor(() => spooledBytes(cluster().worker(0)) > 100_000, { timeoutMs: WAIT_MS, what: 'output in the spool' })
    } finally {
      balancer?.resume()
    }
    gate.open()
    const api = await cluster().api()
    const written = `before\n${Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join('')}after\n`
    expect(await waitForSealed(api, instanceId, WAIT_MS)).toMatchObject({
      status: 'SUCCEEDED',
      attempts: [{ attempt: 1 }],
      log: { lines: 200_002, bytes: written.length },
    })
    expect(sha256(await rawLog(api, instanceId))).toBe(sha256(written))
    await waitForEmptySpool(cluster().worker(0))
  })

  test('a process that ends with every server dead has its result and its log delivered when they are back', async () => {
    const gate = new Gate(newFile())
    const instanceId = await startJob(`echo before; ${gate.shell(1)}; seq 1 1000; echo '{"made": 1000}' > "$JOBTRAIL_RESULT_FILE"`)
    const { servers } = cluster()
    await Promise.all(servers.map((server) => server.kill()))
    gate.open()
    await waitForKeptEnd(cluster().worker(0), instanceId)
    await Promise.all(servers.map((server) => server.start()))
    expect(await waitForSealed(await cluster().api(), instanceId, WAIT_MS)).toMatchObject({
      status: 'SUCCEEDED',
      result: { made: 1_000 },
      attempts: [{ attempt: 1, status: 'SUCCEEDED' }],
      log: { lines: 1_001 },
    })
    await cluster().waitForWorkers()
  })
})

/** Line `k`: its number and text that hardly compresses. Its source goes to the process too, so it uses nothing from around it. */
function numberedLine(k: number, length: number): string {
  let state = (k * 2_654_435_761) >>> 0
  let text = String(k).padStart(8, '0')
  while (text.length < length) {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 374_761_393) >>> 0
    text += state.toString(36)
  }
  return text.slice(0, length)
}

describe('a full spool', () => {
  const TOTAL_BYTES = 16 * 1_048_576
  const LINE_BYTES = 128
  const LINES = TOTAL_BYTES / LINE_BYTES
  const lineOf = (k: number): string => numberedLine(k, LINE_BYTES - 1)

  /** Prints line 0, waits for the gate, prints the others, and keeps in a file how many it has got rid of. */
  function printer(gate: Gate, progressFile: string): string {
    return `
      const { readFileSync, renameSync, writeFileSync, writeSync } = require('node:fs')
      const numberedLine = ${numberedLine.toString()}
      const lineOf = (k) => numberedLine(k, ${LINE_BYTES - 1})
      const print = (text) => { const bytes = Buffer.from(text); for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at) }
      const timer = new Int32Array(new SharedArrayBuffer(4))
      print(lineOf(0) + '\\n')
      while (Number(readFileSync('${gate.file}', 'utf8')) < 1) Atomics.wait(timer, 0, 0, 20)
      for (let k = 1; k < ${LINES}; ) {
        let text = ''
        for (const end = Math.min(${LINES}, k + 512); k < end; k++) text += lineOf(k) + '\\n'
        print(text)
        writeFileSync('${progressFile}.new', String(k))
        renameSync('${progressFile}.new', '${progressFile}')
      }`
  }

  const jobOn = (script: string, log: JobInput['log']): Partial<JobInput> => ({
    processor: { kind: 'shell', script, interpreter: process.execPath },
    routing: { group: 'small' },
    log,
  })

  function printed(progressFile: string): number {
    return existsSync(progressFile) ? Number(readFileSync(progressFile, 'utf8')) : 0
  }

  /** Waits until a process gets rid of nothing more; fails when it gets rid of everything. */
  async function waitUntilBlocked(progressFile: string): Promise<number> {
    const LOOKS = 8
    let last = 0
    let still = 0
    return waitFor(
      () => {
        const now = printed(progressFile)
        if (now >= LINES) throw new WaitAbortedError('the process was not made to wait')
        still = now === last && now > 0 ? still + 1 : 0
        last = now
        return still >= LOOKS ? now : undefined
      },
      { timeoutMs: WAIT_MS, what: 'the process to wait', intervalMs: 250 },
    )
  }

  test('makes the process that writes wait, and nothing is lost', async () => {
    const [gate, progressFile] = [new Gate(newFile()), newFile()]
    const script = printer(gate, progressFile)
    const instanceId = await startJob(script, jobOn(script, { onPressure: 'block' }))
    const { balancer, server } = { balancer: cluster().balancer, server: cluster().server(0) }
    balancer?.pause()
    try {
      gate.open()
      expect(await waitUntilBlocked(progressFile)).toBeLessThan(LINES / 2)
      expect(attemptProcesses(instanceId)).toHaveLength(1)
      // What was on its way when the limit was reached comes on top.
      expect(spooledBytes(cluster().worker(1))).toBeLessThan(4 * LIMIT_BYTES)
      expect(await logPage(await cluster().api(server.url), instanceId, 'limit=1')).toMatchObject({ state: 'open', total: 1 })
    } finally {
      balancer?.resume()
    }
    const api = await cluster().api()
    expect(await waitForSealed(api, instanceId, WAIT_MS)).toMatchObject({
      status: 'SUCCEEDED',
      attempts: [{ attempt: 1 }],
      log: { lines: LINES, bytes: TOTAL_BYTES },
    })
    const written = createHash('sha256')
    for (let k = 0; k < LINES; k++) written.update(`${lineOf(k)}\n`)
    expect(sha256(await rawLog(api, instanceId))).toBe(written.digest('hex'))
    await waitForEmptySpool(cluster().worker(1))
  })

  test('keeps no process from its time-out: its end and what it has printed are delivered later', async () => {
    const [gate, progressFile] = [new Gate(newFile()), newFile()]
    const script = printer(gate, progressFile)
    const instanceId = await startJob(script, { ...jobOn(script, { onPressure: 'block' }), timeoutMs: 10_000 })
    const { balancer } = cluster()
    balancer?.pause()
    try {
      gate.open()
      await waitForKeptEnd(cluster().worker(1), instanceId)
      await waitForNoProcess([instanceId], 1)
      // It was made to wait, and the spool is as full as then.
      expect(printed(progressFile)).toBeLessThan(LINES / 2)
      expect(spooledBytes(cluster().worker(1))).toBeGreaterThan(LIMIT_BYTES / 2)
    } finally {
      balancer?.resume()
    }
    const { status, log } = await waitForSealed(await cluster().api(), instanceId, WAIT_MS)
    expect(status).toBe('TIMED_OUT')
    const kept = (await rawLog(await cluster().api(), instanceId, 'stream=stdout')).toString().split('\n')
    expect(kept.slice(0, printed(progressFile))).toEqual(Array.from({ length: printed(progressFile) }, (_, k) => lineOf(k)))
    expect(log.lines).toBeGreaterThanOrEqual(printed(progressFile))
    await waitForEmptySpool(cluster().worker(1))
  })

  test('or, where the job would rather lose lines, leaves markers whose counts are right', async () => {
    const [gate, progressFile] = [new Gate(newFile()), newFile()]
    const script = printer(gate, progressFile)
    const instanceId = await startJob(script, jobOn(script, { onPressure: 'drop' }))
    const { balancer } = cluster()
    balancer?.pause()
    try {
      gate.open()
      await waitForKeptEnd(cluster().worker(1), instanceId)
      expect(printed(progressFile)).toBe(LINES)
      expect(spooledBytes(cluster().worker(1))).toBeLessThan(4 * LIMIT_BYTES)
    } finally {
      balancer?.resume()
    }
    const api = await cluster().api()
    expect(await waitForSealed(api, instanceId, WAIT_MS)).toMatchObject({ status: 'SUCCEEDED' })
    let next = 0
    let kept = 0
    let left = 0
    for (const { stream, text } of await allLines(instanceId)) {
      if (stream === 'stdout') {
        expect(text).toBe(lineOf(next))
        next++
        kept++
        continue
      }
      const [lines, bytes] = countsIn(text)
      expect(bytes).toBe(lines * LINE_BYTES)
      next += lines
      left += lines
    }
    expect(next).toBe(LINES)
    expect(kept).toBeGreaterThan(1)
    expect(left).toBeGreaterThan(0)
  })

  function countsIn(marker: string): [lines: number, bytes: number] {
    const match = /^\[jobtrail\] spool full: ([\d,]+) lines? \(([\d,]+) bytes\) left out$/.exec(marker)
    if (match === null) throw new Error(`not a marker: ${marker}`)
    return [Number(match[1]?.replaceAll(',', '')), Number(match[2]?.replaceAll(',', ''))]
  }

  async function allLines(instanceId: string): Promise<LogLineView[]> {
    const api = await cluster().api()
    const lines: LogLineView[] = []
    for (let from: number | null = 0; from !== null;) {
      const page = await logPage(api, instanceId, `from=${from}&limit=10000`)
      lines.push(...page.lines)
      from = page.next
    }
    return lines
  }
})

describe('a worker that is killed', () => {
  test('keeps the results that it could not deliver: started again, it delivers them and their logs', async () => {
    const gate = new Gate(newFile())
    const script = (name: string, exitCode: number): string =>
      `echo before; ${gate.shell(1)}; seq 1 5000; printf '"${name}"' > "$JOBTRAIL_RESULT_FILE"; exit ${exitCode}`
    const good = await startJob(script('good', 0))
    const bad = await startJob(script('bad', 3))
    const { balancer } = cluster()
    const worker = cluster().worker(0)
    balancer?.pause()
    try {
      gate.open()
      await waitForKeptEnd(worker, good)
      await waitForKeptEnd(worker, bad)
      await worker.kill()
    } finally {
      balancer?.resume()
    }
    worker.start()
    const api = await cluster().api()
    expect(await waitForSealed(api, good, WAIT_MS)).toMatchObject({
      status: 'SUCCEEDED',
      result: 'good',
      attempts: [{ status: 'SUCCEEDED', exitCode: 0 }],
      log: { lines: 5_001 },
    })
    expect(await waitForSealed(api, bad, WAIT_MS)).toMatchObject({ status: 'FAILED', attempts: [{ status: 'FAILED', exitCode: 3 }], log: { lines: 5_001 } })
    await waitForEmptySpool(worker)
    await cluster().waitForWorkers()
  })

  test('with results that no database holds delivers them all the same, or says why not, and runs what comes next', async () => {
    const deep = (levels: number): string => `head -c ${levels} /dev/zero | tr '\\0' '['; head -c ${levels} /dev/zero | tr '\\0' ']'`
    const exact = ['{"_bsontype":"ObjectId"}', '{"a\\u0000b":1}', '{"n":12345678901234567890,"e":1e400,"one":1.0,"__proto__":{"constructor":1},"2":0,"1":0}']
    const left = [
      [deep(181), 'The result was left out: it is nested 181 levels deep, the limit is 100'],
      [deep(6_000), 'The result was left out: it is nested 6,000 levels deep, the limit is 100'],
      [`printf '"'; head -c 8388606 /dev/zero | tr '\\0' x; printf '"'`, 'The result was left out: it has 8,388,608 bytes, the limit is 65,536'],
      [`printf '"\\377"'`, 'The result was left out: it is not UTF-8'],
    ] as const
    const gate = new Gate(newFile())
    const start = (print: string): Promise<string> => startJob(`echo before; ${gate.shell(1)}; (${print}) > "$JOBTRAIL_RESULT_FILE"`)
    const api = await cluster().api()
    const [exactIds, leftIds, former] = await Promise.all([
      Promise.all(exact.map((json) => start(`printf '%s' '${json}'`))),
      Promise.all(left.map(([print]) => start(print))),
      createAndRun(api, shellJob('exec sleep 1000')),
    ])
    const old = former.instanceId
    await waitForInstance(api, old, 'runs', ({ startedAt }) => startedAt !== null)
    const worker = cluster().worker(0)
    const { balancer } = cluster()
    balancer?.pause()
    try {
      gate.open()
      for (const id of [...exactIds, ...leftIds]) await waitForKeptEnd(worker, id)
      await worker.kill()
    } finally {
      balancer?.resume()
    }
    // As the former version of the worker kept an end, which no server took.
    const key = { instanceId: old, task: 0, attempt: 1 }
    const kept = {
      ...{ ...key, status: 'SUCCEEDED', startedAt: Date.now(), finishedAt: Date.now(), exitCode: 0, signal: null, error: 'e'.repeat(9_000) },
      ...{ result: { _bsontype: 'ObjectId' }, log: { chunks: 0, lines: 0, bytes: 0, digest: genesisDigest(key) } },
    }
    appendFileSync(join(worker.spoolDir, 'outbox.jsonl'), `\n${JSON.stringify({ end: kept })}\n`)
    worker.start()
    const end = (id: string): Promise<InstanceDetail> => waitForSealed(api, id, WAIT_MS)
    const resultOf = async (id: string): Promise<string | undefined> => membersOf((await api.bytes(`/api/instances/${id}`)).toString()).get('result')
    for (const [i, id] of exactIds.entries()) {
      expect(await end(id)).toMatchObject({ status: 'SUCCEEDED', error: null })
      expect(await resultOf(id)).toBe(exact[i])
    }
    for (const [i, id] of leftIds.entries()) expect(await end(id)).toMatchObject({ status: 'SUCCEEDED', result: null, error: left[i]?.[1] })
    expect(await end(old)).toMatchObject({ status: 'SUCCEEDED', error: expect.stringMatching(/^e{8191}…$/) })
    expect(await resultOf(old)).toBe('{"_bsontype":"ObjectId"}')
    expect(await end(await startJob('echo next'))).toMatchObject({ status: 'SUCCEEDED' })
    await waitForEmptySpool(worker)
  })

  /** A job that at its first attempt leaves processes wherever they can hide, and waits. Their seconds of sleep tell them from all others. */
  function hidingJob(): { script: string; count: () => number } {
    const seconds = 100_000 + Math.floor(Math.random() * 800_000)
    const script = `
      [ "$JOBTRAIL_ATTEMPT_NUMBER" = 1 ] || { echo again; exit 0; }
      sleep ${seconds}.1 & setsid sleep ${seconds}.2 & (env -i sleep ${seconds}.3 &); (trap '' TERM HUP; sleep ${seconds}.4) &
      echo before; echo 'to stderr' >&2; wait`
    return { script, count: () => listProcesses().filter(({ commandLine }) => commandLine.startsWith(`sleep ${seconds}.`)).length }
  }

  const waitForCount = (count: () => number, wanted: number): Promise<true> =>
    waitFor(() => count() === wanted, { timeoutMs: WAIT_MS, what: `${wanted} processes (${count()} now)` })

  async function expectAgain(instanceId: string): Promise<void> {
    const api = await cluster().api()
    const instance = await waitForInstance(
      api,
      instanceId,
      'has succeeded at its second attempt, both logs checked',
      ({ status, attempts }) => status === 'SUCCEEDED' && attempts.length === 2 && attempts.every(({ log }) => isCheckedLog(log.state)),
      WAIT_MS,
    )
    expect(instance.attempts.map(({ status, log }) => [status, log.state, log.lines])).toEqual([
      ['LOST', 'partial', 3],
      ['SUCCEEDED', 'sealed', 1],
    ])
    expect((await rawLog(api, instanceId, 'attempt=1&stream=stdout')).toString()).toBe(
      'before\n[jobtrail] the worker died here; output after this line may be missing\n',
    )
    expect((await rawLog(api, instanceId, 'attempt=1&stream=stderr')).toString()).toBe('to stderr\n')
    expect((await rawLog(api, instanceId)).toString()).toBe('again\n')
  }

  test('leaves no process behind; its lines are kept, and the attempt is made again', async () => {
    const worker = cluster().worker(0)
    const { script, count } = hidingJob()
    const instanceId = await startJob(script, { retry: { maxRetries: 1, backoffMs: 50 } })
    await waitForInstance(await cluster().api(), instanceId, 'has both lines', ({ log }) => log.lines === 2)
    await waitForCount(count, 4)
    await worker.kill()
    await waitForCount(count, 0)
    await waitForNoProcess([instanceId], 1)
    worker.start()
    await expectAgain(instanceId)
    await cluster().waitForWorkers()
  })

  test('before the job has printed anything closes its log all the same, and says that something may be missing', async () => {
    const api = await cluster().api()
    const worker = cluster().worker(0)
    const { instanceId } = await createAndRun(api, shellJob('sleep 600', { retry: { maxRetries: 0 } }))
    await waitForInstance(api, instanceId, 'is running', ({ attempts }) => attempts[0]?.status === 'RUNNING')
    await worker.kill()
    worker.start()
    const { attempts } = await waitForInstance(api, instanceId, 'has its log checked', ({ log }) => isCheckedLog(log.state), WAIT_MS)
    expect(attempts).toMatchObject([{ status: 'LOST', log: { state: 'partial', losses: [{ reason: 'worker-died', at: 0 }] } }])
    expect((await rawLog(api, instanceId)).toString()).toBe('[jobtrail] the worker died here; output after this line may be missing\n')
    await cluster().waitForWorkers()
  })

  test('together with its guard has what they left killed when it is started again', async () => {
    const worker = cluster().worker(0)
    const { script, count } = hidingJob()
    const instanceId = await startJob(script, { retry: { maxRetries: 1, backoffMs: 50 } })
    await waitForInstance(await cluster().api(), instanceId, 'has both lines', ({ log }) => log.lines === 2)
    await waitForCount(count, 4)
    // Frozen first, so that it does not start its guard again.
    worker.freeze()
    const children = childrenOf(pidOf(worker))
    const guards = listProcesses().filter(({ pid, commandLine }) => children.includes(pid) && commandLine.includes('guard.js'))
    expect(guards).toHaveLength(1)
    for (const { pid } of guards) process.kill(pid, 'SIGKILL')
    await waitFor(() => listProcesses().every(({ pid }) => pid !== guards[0]?.pid), { timeoutMs: WAIT_MS, what: 'the guard to be gone' })
    await worker.kill()
    expect(count()).toBe(4)
    worker.start()
    await waitForCount(count, 0)
    await waitForNoProcess([instanceId], 1)
    await expectAgain(instanceId)
    await cluster().waitForWorkers()
  })
})
