import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { WorkerPage, type WorkerView } from '@jobtrail/api/cluster'
import type { InstanceDetail } from '@jobtrail/api/instances'
import { RunsCreated } from '@jobtrail/api/jobs'
import { LogVerification } from '@jobtrail/api/logs'
import { afterEach, describe, expect, test } from 'vitest'
import { attemptProcesses, listProcesses, waitForNoProcess } from '../support/attempt-processes.js'
import { type Cluster, useCluster } from '../support/cluster.js'
import { createAndRun, createJob, getInstance, type JobInput, rawLog, shellJob, waitForEnd, waitForInstance, waitForSealed } from '../support/factories.js'
import type { WorkerNode } from '../support/nodes.js'
import { Witness } from '../support/witness.js'

/** Of one worker: each runs an attempt whose lease runs out. */
const SLOTS = 100
const RETRIES: Partial<JobInput> = { retry: { maxRetries: 3, backoffMs: 100 } }

/** Every attempt's process was alone, and none did anything once a later one had begun. */
function expectOneAtATime({ overlapping, signed, strays }: Witness): void {
  expect(overlapping).toEqual([])
  expect(strays).toEqual(strays.toSorted((a, b) => a - b))
  expect(signed).toEqual(signed.toSorted((a, b) => a - b))
}

async function logLines(api: ApiClient, instanceId: string, attempt: number): Promise<string[]> {
  return (await rawLog(api, instanceId, `attempt=${attempt}`)).toString('utf8').split('\n').slice(0, -1)
}

/** The log of an attempt is sealed, its digest chain holds, and these are its lines. */
async function expectSealed(api: ApiClient, instanceId: string, attempt: number, lines: string[]): Promise<void> {
  await waitForInstance(api, instanceId, `the log of attempt ${attempt} is sealed`, ({ attempts }) => attempts[attempt - 1]?.log.state === 'sealed')
  expect(await logLines(api, instanceId, attempt)).toEqual(lines)
  const verification = await api.get(`/api/instances/${instanceId}/logs/verify?attempt=${attempt}`, LogVerification)
  expect(verification).toMatchObject({ valid: true, state: 'sealed', lines: lines.length })
}

/** The worker was killed: everything that it had captured is there, and a last line says that more may be missing. */
async function expectPartial(api: ApiClient, instanceId: string, attempt: number, lines: string[]): Promise<void> {
  await waitForInstance(api, instanceId, `the log of attempt ${attempt} is partial`, ({ attempts }) => attempts[attempt - 1]?.log.state === 'partial')
  expect(await logLines(api, instanceId, attempt)).toEqual([...lines, '[jobtrail] the worker died here; output after this line may be missing'])
  const verification = await api.get(`/api/instances/${instanceId}/logs/verify?attempt=${attempt}`, LogVerification)
  expect(verification).toMatchObject({ valid: true, state: 'partial', lines: lines.length + 1, losses: [{ reason: 'worker-died', at: lines.length }] })
}

/** The worker that runs the latest attempt. */
function workerOf(cluster: Cluster, { attempts }: InstanceDetail): WorkerNode {
  return cluster.workers.find(({ name }) => name === attempts.at(-1)?.workerName) ?? expect.fail('no such worker')
}

function waitForRunning(api: ApiClient, instanceId: string, attempt: number): Promise<InstanceDetail> {
  return waitForInstance(api, instanceId, `attempt ${attempt} runs`, ({ attempts }) => attempts[attempt - 1]?.status === 'RUNNING')
}

const numbered = (attempt: number, count: number): string[] => Array.from({ length: count }, (_, i) => `attempt ${attempt} line ${i}`)

describe('a worker that is silent past its lease', () => {
  const cluster = useCluster({ servers: 2, workers: 2, slots: 1, balancer: 'nginx', serverEnv: { JOBTRAIL_LEASE_MS: '8000' } })

  /** Its first attempt would go on for ever; a later one ends when the gate is opened. */
  const untilOpened = (witness: Witness): string => `${witness.alone}; ${witness.stray} i=0
    while :; do
      ${witness.sign}; echo "attempt $JOBTRAIL_ATTEMPT_NUMBER line $i"; i=$((i + 1))
      if [ "$JOBTRAIL_ATTEMPT_NUMBER" -gt 1 ] && [ "$(cat '${witness.gate.file}')" -ge 1 ]; then break; fi
      sleep 0.05
    done
    echo "{\\"attempt\\": $JOBTRAIL_ATTEMPT_NUMBER}" > "$JOBTRAIL_RESULT_FILE"`

  /** Also what it wrote while its worker was silent; it may have been killed between its signature and the line. Returns the number of lines. */
  async function expectFirstSealed(api: ApiClient, instanceId: string, { signed }: Witness): Promise<number> {
    const lines = signed.filter((attempt) => attempt === 1).length
    await waitForInstance(api, instanceId, 'the log of attempt 1 is sealed', ({ attempts }) => attempts[0]?.log.state === 'sealed')
    const count = (await logLines(api, instanceId, 1)).length
    expect([lines, lines - 1]).toContain(count)
    await expectSealed(api, instanceId, 1, numbered(1, count))
    return count
  }

  async function expectSecondEnded(api: ApiClient, instanceId: string, witness: Witness): Promise<void> {
    const ended = await waitForSealed(api, instanceId)
    expect(ended).toMatchObject({ status: 'SUCCEEDED', attempt: 2, result: { attempt: 2 }, attempts: [{ status: 'LOST' }, { status: 'SUCCEEDED' }] })
    expectOneAtATime(witness)
    await expectSealed(api, instanceId, 2, numbered(2, witness.signed.filter((attempt) => attempt === 2).length))
  }

  test('because it is frozen has its processes killed and its attempt made again elsewhere: the two never run at the same time, and both logs are whole', async () => {
    const api = await cluster().api()
    const witness = new Witness(cluster().dir)
    const { instanceId } = await createAndRun(api, shellJob(untilOpened(witness), RETRIES))
    const first = await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines > 5)
    const frozen = workerOf(cluster(), first)
    expect(attemptProcesses(instanceId, 1).length).toBeGreaterThan(0)

    frozen.freeze()
    const second = await waitForRunning(api, instanceId, 2)
    expect(workerOf(cluster(), second).name).not.toBe(frozen.name)
    expect(attemptProcesses(instanceId, 1)).toEqual([])
    await waitFor(() => witness.signed.filter((attempt) => attempt === 2).length > 5, { timeoutMs: 30_000, what: 'the second attempt to go on' })
    frozen.thaw()
    await expectFirstSealed(api, instanceId, witness)
    witness.gate.open()
    await expectSecondEnded(api, instanceId, witness)
  })

  test('because it is frozen has the result of an attempt that ended meanwhile refused, and keeps its log', async () => {
    const api = await cluster().api()
    const witness = new Witness(cluster().dir)
    const script = `${witness.alone}; echo "attempt $JOBTRAIL_ATTEMPT_NUMBER begins"; ${witness.gate.shell(1)}
      echo "{\\"attempt\\": $JOBTRAIL_ATTEMPT_NUMBER}" > "$JOBTRAIL_RESULT_FILE"; echo "attempt $JOBTRAIL_ATTEMPT_NUMBER ends"; ${witness.sign}`
    const { instanceId } = await createAndRun(api, shellJob(script, RETRIES))
    const first = await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines === 1)
    const frozen = workerOf(cluster(), first)
    frozen.freeze()
    witness.gate.open()
    await waitFor(() => witness.signed.length === 1, { timeoutMs: 30_000, what: 'the first attempt to end' })
    const second = await waitForSealed(api, instanceId)
    expect(second).toMatchObject({ status: 'SUCCEEDED', attempt: 2, result: { attempt: 2 } })

    frozen.thaw()
    await cluster().waitForWorkers()
    for (const attempt of [1, 2]) await expectSealed(api, instanceId, attempt, [`attempt ${attempt} begins`, `attempt ${attempt} ends`])
    expect(await getInstance(api, instanceId)).toMatchObject({ result: { attempt: 2 }, attempts: [{ status: 'LOST' }, { status: 'SUCCEEDED' }] })
    expectOneAtATime(witness)
  })

  test('because its connection is cut kills what it runs before the lease is over, and has its attempt made again and the log delivered when it is back', async () => {
    const api = await cluster().api(cluster().server(0).url)
    const witness = new Witness(cluster().dir)
    const { instanceId } = await createAndRun(api, shellJob(untilOpened(witness), RETRIES))
    await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines > 5)
    await cluster().balancer?.kill()
    const known = (await getInstance(api, instanceId)).log.lines
    await waitForNoProcess([instanceId], 1)
    const attempts = (await cluster().database()).collection<{ leaseExpiresAt: Date }>('attempts')
    const attempt = await attempts.findOne({ '_id.instance': instanceId, '_id.attempt': 1 })
    expect(witness.signedAt).toBeLessThan(attempt?.leaseExpiresAt.getTime() ?? 0)
    const lost = await waitForInstance(api, instanceId, 'its first attempt is given up', ({ status }) => status === 'WAITING')
    expect(lost.attempts).toMatchObject([{ status: 'LOST', log: { state: 'interrupted' } }])

    await cluster().balancer?.start()
    await waitForRunning(api, instanceId, 2)
    expect(await expectFirstSealed(api, instanceId, witness)).toBeGreaterThan(known)
    witness.gate.open()
    await expectSecondEnded(api, instanceId, witness)
  })

  test('because its connection stalls ends all of a hundred processes, each run goes on alone, and its slots are free again', async () => {
    const api = await cluster().api(cluster().server(0).url)
    const worker = await cluster().addWorker({ slots: SLOTS, args: ['--group', 'wide'] })
    await cluster().waitForWorkers()
    const witnessDir = join(cluster().dir, 'wide')
    mkdirSync(witnessDir)
    // The first attempt becomes `sleep`, with the same process ID; a later one looks whether those before it are there. On a slow machine a lease may run out once more.
    const script = `f='${witnessDir}/'"$JOBTRAIL_INSTANCE_ID"
      if [ -e "$f" ]; then while read -r attempt pid; do kill -0 "$pid" 2> /dev/null && overlap=1; done < "$f"; fi; [ -z "$overlap" ] || echo overlap >> "$f"
      echo "$JOBTRAIL_ATTEMPT_NUMBER $$" >> "$f"; [ "$JOBTRAIL_ATTEMPT_NUMBER" -gt 1 ] || exec sleep 600`
    const { id } = await createJob(api, shellJob(script, { retry: { maxRetries: 20, backoffMs: 100 }, routing: { group: 'wide' } }))
    const { instanceIds } = await api.post(`/api/jobs/${id}/runs/bulk`, { runs: Array.from({ length: SLOTS }, () => ({})) }, RunsCreated)
    const attempts = (await cluster().database()).collection<{ status: string }>('attempts')
    const waitForAttempts = (which: object, what: string): Promise<boolean> =>
      waitFor(async () => (await attempts.countDocuments({ '_id.instance': { $in: instanceIds }, ...which })) === SLOTS, { timeoutMs: 90_000, what })
    await waitForAttempts({ '_id.attempt': 1, status: 'RUNNING' }, 'a hundred running attempts')
    cluster().balancer?.pause()
    try {
      await waitForAttempts({ '_id.attempt': 1, status: 'LOST' }, 'a hundred lost attempts')
      for (const instanceId of instanceIds) expect(attemptProcesses(instanceId)).toEqual([])
    } finally {
      cluster().balancer?.resume()
    }
    await waitForAttempts({ status: 'SUCCEEDED' }, 'a hundred runs that succeed')
    const seen = instanceIds.map((instanceId) => readFileSync(join(witnessDir, instanceId), 'utf8'))
    expect(seen.filter((text) => !/^1 \d+\n([2-9] \d+\n)+$/.test(text))).toEqual([])
    const isFree = async (): Promise<boolean> =>
      (await api.get('/api/workers', WorkerPage)).items.some(
        ({ name, state, freeSlots }) => name === worker.name && state === 'connected' && freeSlots === SLOTS,
      )
    await waitFor(isFree, { timeoutMs: 60_000, what: 'all slots to be free again' })
  })
})

describe('a worker that goes away', () => {
  /** A tag for each, so that a test knows where its job runs; the second one gives what runs no time at a stop. */
  const cluster = useCluster({
    servers: 2,
    workers: 2,
    slots: 4,
    balancer: 'nginx',
    workerArgs: (index) => ['--tags', `worker-${index}`, ...(index === 1 ? ['--drain-timeout', '0'] : [])],
  })
  const on = (worker: WorkerNode): Partial<JobInput> => ({ routing: { tags: [worker.name] } })

  /** Also after a test that failed: the next one begins with everything there. */
  afterEach(async () => {
    const { balancer, workers } = cluster()
    balancer?.resume()
    if (balancer?.process.isRunning === false) await balancer.start()
    for (const worker of workers) if (!worker.isRunning) worker.start()
    await cluster().waitForWorkers()
  })

  /** A client of a server, not of the load balancer: for while that is away. */
  async function directApi(): Promise<ApiClient> {
    return cluster().api(cluster().server(0).url)
  }

  async function waitForWorkerState(api: ApiClient, worker: WorkerNode, state: WorkerView['state']): Promise<void> {
    const look = async (): Promise<boolean> =>
      WorkerPage.parse(await api.get('/api/workers')).items.some(({ name, state: now }) => name === worker.name && now === state)
    await waitFor(look, { timeoutMs: 60_000, what: `${worker.name} to be ${state}` })
  }

  function waitForText(folder: string, text: string): Promise<true> {
    const look = (): boolean =>
      readdirSync(folder, { withFileTypes: true }).some((entry) => entry.isFile() && readFileSync(join(folder, entry.name)).includes(text))
    return waitFor(look, { timeoutMs: 30_000, what: `${text} in ${folder}` })
  }

  test('by SIGKILL leaves no process behind, delivers when it is back what it had captured, and its attempt is made again', async () => {
    const api = await directApi()
    const worker = cluster().worker(0)
    const witness = new Witness(cluster().dir)
    const script = `${witness.alone}; ${witness.sign}; ${witness.stray}
      setsid sh -c 'while :; do sleep 1; done' 9>&- > /dev/null 2>&1 &
      echo before; ${witness.gate.shell(1)}; echo 'while nobody listens'; echo 'to stderr' >&2
      [ "$JOBTRAIL_ATTEMPT_NUMBER" -gt 1 ] || while :; do sleep 1; done`
    const { instanceId } = await createAndRun(api, shellJob(script, { ...RETRIES, ...on(worker) }))
    await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines === 1)
    await cluster().balancer?.kill()
    witness.gate.open()
    await waitForText(join(worker.spoolDir, 'streams'), 'to stderr')
    expect(attemptProcesses(instanceId, 1).length).toBeGreaterThanOrEqual(3)
    await worker.kill()
    await waitForNoProcess([instanceId], 1)
    await cluster().balancer?.start()
    expect((await getInstance(api, instanceId)).attempts).toMatchObject([{ status: 'RUNNING', log: { state: 'open', lines: 1 } }])

    worker.start()
    const ended = await waitForSealed(api, instanceId)
    expect(ended).toMatchObject({ status: 'SUCCEEDED', attempt: 2, attempts: [{ status: 'LOST' }, { status: 'SUCCEEDED' }] })
    await expectPartial(api, instanceId, 1, ['before', 'while nobody listens', 'to stderr'])
    await expectSealed(api, instanceId, 2, ['before', 'while nobody listens', 'to stderr'])
    expectOneAtATime(witness)
    // Also what the attempt that succeeded left in the background ended with it.
    expect(attemptProcesses(instanceId)).toEqual([])
  })

  test('by SIGKILL together with its guard has its processes killed when it is back, before the attempt is made again', async () => {
    const api = await directApi()
    const worker = cluster().worker(0)
    const witness = new Witness(cluster().dir)
    const script = `${witness.alone}; ${witness.stray} echo begins; while [ "$JOBTRAIL_ATTEMPT_NUMBER" -eq 1 ]; do ${witness.sign}; sleep 0.05; done; ${witness.sign}`
    const { instanceId } = await createAndRun(api, shellJob(script, { ...RETRIES, ...on(worker) }))
    await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines === 1)
    const guards = listProcesses().filter(({ parent, commandLine }) => parent === worker.process.pid && commandLine.includes('guard'))
    expect(guards).toHaveLength(1)
    // Frozen first: no moment in which the one sees the other's end.
    for (const { pid } of guards) process.kill(pid, 'SIGSTOP')
    await worker.kill()
    for (const { pid } of guards) process.kill(pid, 'SIGKILL')
    const signed = witness.signed.length
    await waitFor(() => witness.signed.length > signed, { timeoutMs: 30_000, what: 'the orphan to go on' })

    worker.start()
    expect(await waitForSealed(api, instanceId)).toMatchObject({ status: 'SUCCEEDED', attempt: 2, attempts: [{ status: 'LOST' }, { status: 'SUCCEEDED' }] })
    expect(attemptProcesses(instanceId)).toEqual([])
    expectOneAtATime(witness)
    await expectPartial(api, instanceId, 1, ['begins'])
    await expectSealed(api, instanceId, 2, ['begins'])
  })

  test('never is needed for an attempt to be alone: what it leaves in other sessions ends before the next one begins', async () => {
    const api = await cluster().api()
    const witness = new Witness(cluster().dir)
    // The one of the issue, one without its environment, one whose parents are gone, one that ignores signals.
    const script = `${witness.alone}; ${witness.stray}
      setsid sh -c 'while :; do ${witness.sign}; sleep 0.05; done' 9>&- > /dev/null 2>&1 &
      (setsid sh -c 'setsid sh -c "while :; do ${witness.sign.replaceAll('"', String.raw`\"`).replaceAll('$', String.raw`\$`)}; sleep 0.05; done" &' 9>&- > /dev/null 2>&1 &)
      trap '' TERM; sleep 600 9>&-`
    const { instanceId } = await createAndRun(api, shellJob(script, { ...RETRIES, retry: { maxRetries: 1, backoffMs: 0 }, timeoutMs: 1_500, killGraceMs: 100 }))
    const ended = await waitForEnd(api, instanceId)
    expect(ended).toMatchObject({ status: 'TIMED_OUT', attempts: [{ status: 'TIMED_OUT' }, { status: 'TIMED_OUT' }] })
    const { strays, signed } = witness
    expect([...new Set(strays)]).toEqual([1, 2])
    expect([...new Set(signed)]).toEqual([1, 2])
    expectOneAtATime(witness)
    expect([witness.strays.length, witness.signed.length]).toEqual([strays.length, signed.length])
    expect(attemptProcesses(instanceId)).toEqual([])
  })

  test('by a stop takes nothing new, lets what runs finish, and seals its logs before it exits', async () => {
    const api = await cluster().api()
    const worker = cluster().worker(0)
    const { gate } = new Witness(cluster().dir)
    const { instanceId } = await createAndRun(api, shellJob(`echo begins; ${gate.shell(1)}; echo ends`, on(worker)))
    await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines === 1)
    const exit = worker.stop(60_000)
    await waitForWorkerState(api, worker, 'draining')
    const { instanceId: later } = await createAndRun(api, shellJob('echo later', on(worker)))
    gate.open()
    expect(await exit).toEqual({ code: 0, signal: null })

    expect(await getInstance(api, instanceId)).toMatchObject({ status: 'SUCCEEDED', attempt: 1, log: { state: 'sealed', lines: 2 } })
    expect(await getInstance(api, later)).toMatchObject({ status: 'WAITING', attempt: 0 })
    worker.start()
    expect(await waitForSealed(api, later)).toMatchObject({ status: 'SUCCEEDED', attempt: 1, log: { lines: 1 } })
  })

  test('by a stop without time to drain ends what runs, seals its logs, and the attempt is made again', async () => {
    const api = await cluster().api()
    const worker = cluster().worker(1)
    // The shell's own message about its `sleep` is not wanted.
    const script = `exec 2> /dev/null; trap 'echo stopping; exit 3' TERM; echo "attempt $JOBTRAIL_ATTEMPT_NUMBER"; while [ "$JOBTRAIL_ATTEMPT_NUMBER" -eq 1 ]; do sleep 0.05; done`
    const { instanceId } = await createAndRun(api, shellJob(script, { ...RETRIES, ...on(worker) }))
    await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines === 1)
    expect(await worker.stop(60_000)).toEqual({ code: 0, signal: null })
    expect((await getInstance(api, instanceId)).attempts).toMatchObject([{ status: 'FAILED', log: { state: 'sealed', lines: 2 } }])

    worker.start()
    expect(await waitForSealed(api, instanceId)).toMatchObject({ status: 'SUCCEEDED', attempt: 2 })
    await expectSealed(api, instanceId, 1, ['attempt 1', 'stopping'])
    await expectSealed(api, instanceId, 2, ['attempt 2'])
  })

  async function expectLateDelivery(cut: () => void | Promise<void>, mend: (worker: WorkerNode) => void | Promise<void>): Promise<void> {
    const api = await directApi()
    const worker = cluster().worker(0)
    const witness = new Witness(cluster().dir)
    const script = `echo begins; ${witness.gate.shell(1)}; for i in 1 2 3; do echo "unheard $i"; done; echo '"kept"' > "$JOBTRAIL_RESULT_FILE"; ${witness.sign}`
    const { instanceId } = await createAndRun(api, shellJob(script, { ...RETRIES, ...on(worker) }))
    await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines === 1)
    await cut()
    witness.gate.open()
    await waitForText(worker.spoolDir, instanceId) // its end, in the file of what is to be delivered
    expect(witness.signed).toEqual([1])
    expect(await getInstance(api, instanceId)).toMatchObject({ status: 'RUNNING', log: { lines: 1 } })
    await mend(worker)

    expect(await waitForEnd(api, instanceId)).toMatchObject({ status: 'SUCCEEDED', attempt: 1, result: 'kept' })
    await expectSealed(api, instanceId, 1, ['begins', 'unheard 1', 'unheard 2', 'unheard 3'])
    expect(witness.signed).toEqual([1])
  }

  test('by a connection over which nothing comes lets what runs finish, and delivers later', () =>
    expectLateDelivery(
      () => cluster().balancer?.pause(),
      () => cluster().balancer?.resume(),
    ))

  test('by a lost connection and a SIGKILL delivers when it is back how its attempt ended before', () =>
    expectLateDelivery(
      () => cluster().balancer?.kill(),
      async (worker) => {
        await worker.kill()
        worker.start()
        await cluster().balancer?.start()
      },
    ))
})
