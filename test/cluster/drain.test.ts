import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { WorkerPage } from '@jobtrail/api/cluster'
import { InstancePage, type InstanceView } from '@jobtrail/api/instances'
import { RunCreated } from '@jobtrail/api/jobs'
import { isFinalInstance } from '@jobtrail/protocol/domain/statuses'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { commandJob, createAndRun, createJob, rawLog, shellJob, uniqueName, waitForInstance, waitForSealed } from '../support/factories.js'
import { isOutage, LogFollower } from '../support/follow.js'
import { Gate } from '../support/gate.js'
import type { ServerNode } from '../support/nodes.js'
import { numberedLinesCommand, writtenSides } from '../support/numbered-lines.js'

const PRINTERS = 8
const LINES = 6_000
const CREATORS = 2
const CREATE_PAUSE_MS = 50
const RETRY_MS = 50
/** What is promised: a server that is told to leave has left by then. */
const LEAVE_WITHIN_MS = 10_000

/** Runs a job again and again. A call whose answer is lost is made again with the same key, as the API wants it. */
class RunMaker {
  /** The instance of each key. */
  readonly made = new Map<string, string>()
  private isStopped = false
  private readonly loops: Promise<void>[]

  constructor(
    private readonly api: ApiClient,
    private readonly jobId: string,
  ) {
    this.loops = Array.from({ length: CREATORS }, () => this.run())
    for (const loop of this.loops) loop.catch(() => undefined) // reported by stop()
  }

  async stop(): Promise<void> {
    this.isStopped = true
    await Promise.all(this.loops)
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      const key = uniqueName('run')
      this.made.set(key, await this.create(key))
      await sleep(CREATE_PAUSE_MS)
    }
  }

  private async create(idempotencyKey: string): Promise<string> {
    for (;;) {
      try {
        return (await this.api.post(`/api/jobs/${this.jobId}/runs`, { idempotencyKey }, RunCreated)).instanceId
      } catch (error) {
        if (!isOutage(error)) throw error
        await sleep(RETRY_MS)
      }
    }
  }
}

describe('a server that is told to leave', () => {
  const cluster = useCluster({ servers: 3, workers: 2, balancer: 'nginx', slots: 12 })

  /** Instances print and runs are made while `change` happens; in the end nothing of them is missing, doubled or failed. */
  async function underLoad(change: () => Promise<void>): Promise<void> {
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, uniqueName('gate')), 1)
    const printers = await Promise.all(
      Array.from({ length: PRINTERS }, async (_, seed) => {
        const { command, args } = numberedLinesCommand({ seed, lines: LINES }, { sections: 3, gateFile: gate.file, burst: 100, pauseMs: 50 })
        return { seed, instanceId: (await createAndRun(api, commandJob(command, args))).instanceId }
      }),
    )
    for (const { instanceId } of printers) await waitForInstance(api, instanceId, 'prints', ({ log }) => log.lines > 0)
    const { id: jobId } = await createJob(api, shellJob('echo "$JOBTRAIL_INSTANCE_ID"'))
    const maker = new RunMaker(api, jobId)
    const follower = new LogFollower([api], printers[0]?.instanceId ?? '')
    await waitFor(() => maker.made.size >= 10 && follower.lines.length > 0, { timeoutMs: 60_000, what: 'runs to be made and a log to be followed' })

    gate.open()
    await change()
    const madeBefore = maker.made.size
    await waitFor(() => maker.made.size >= madeBefore + 10, { timeoutMs: 60_000, what: 'runs to be made afterwards' })
    gate.openAll()
    await maker.stop()
    await Promise.all([expectWholeLogs(api, printers), expectAllSucceeded(api, jobId, maker.made), follower.done])
    expect(follower.lines.map(({ n }) => n)).toEqual(Array.from({ length: LINES }, (_, n) => n))
  }

  async function expectWholeLogs(api: ApiClient, printers: readonly { seed: number; instanceId: string }[]): Promise<void> {
    for (const { seed, instanceId } of printers) {
      expect(await waitForSealed(api, instanceId, 120_000)).toMatchObject({ status: 'SUCCEEDED', attempt: 1, log: { lines: LINES } })
      const written = writtenSides({ seed, lines: LINES })
      for (const side of ['stdout', 'stderr'] as const) expect((await rawLog(api, instanceId, `stream=${side}`)).equals(written[side])).toBe(true)
    }
  }

  /** One instance for each key, each SUCCEEDED at its first attempt, with its one line of log. */
  async function expectAllSucceeded(api: ApiClient, jobId: string, made: ReadonlyMap<string, string>): Promise<void> {
    const instances = await waitFor(
      async () => {
        const all = await listInstances(api, jobId)
        return all.every(({ status }) => isFinalInstance(status)) ? all : undefined
      },
      { timeoutMs: 120_000, what: 'every run to end', intervalMs: 500 },
    )
    expect(instances.map(({ id }) => id).toSorted()).toEqual([...made.values()].toSorted())
    expect(instances.filter(({ status, attempt }) => status !== 'SUCCEEDED' || attempt !== 1)).toEqual([])
    for (const { id } of instances) {
      await waitForSealed(api, id)
      expect((await rawLog(api, id)).toString('utf8')).toBe(`${id}\n`)
    }
  }

  async function listInstances(api: ApiClient, jobId: string): Promise<InstanceView[]> {
    const items: InstanceView[] = []
    for (let cursor = ''; ;) {
      const page = await api.get(`/api/instances?jobId=${jobId}&limit=200${cursor}`, InstancePage)
      items.push(...page.items)
      if (page.next === null) return items
      cursor = `&cursor=${encodeURIComponent(page.next)}`
    }
  }

  /** The server that a worker is connected to. */
  async function serverWithWorker(): Promise<ServerNode> {
    const { items } = WorkerPage.parse(await (await cluster().api()).get('/api/workers'))
    const connected = items.find(({ state }) => state === 'connected')
    return cluster().servers.find(({ name }) => name === connected?.serverId) ?? expect.fail('no worker is connected')
  }

  async function leave(server: ServerNode): Promise<void> {
    const before = performance.now()
    expect(await server.stop(2 * LEAVE_WITHIN_MS)).toEqual({ code: 0, signal: null })
    expect(performance.now() - before).toBeLessThan(LEAVE_WITHIN_MS)
  }

  async function waitForWorkersElsewhere(left: ServerNode): Promise<void> {
    const api = await cluster().api()
    await waitFor(
      async () => {
        const { items } = WorkerPage.parse(await api.get('/api/workers'))
        return items.filter(({ state, serverId }) => state === 'connected' && serverId !== left.name).length === cluster().workers.length
      },
      { timeoutMs: 60_000, what: 'every worker to be connected to another server', intervalMs: 100 },
    )
  }

  test('exits with 0 within ten seconds while instances print and runs are made, and nothing is lost and no run fails', async () => {
    await underLoad(async () => {
      const server = await serverWithWorker()
      await leave(server)
      await waitForWorkersElsewhere(server)
      await server.start()
    })
  }, 240_000)

  test('comes back, one server after the other, and nothing is lost and no run fails', async () => {
    await underLoad(async () => {
      for (const server of cluster().servers) {
        await leave(server)
        await server.start()
      }
    })
  }, 240_000)
})
