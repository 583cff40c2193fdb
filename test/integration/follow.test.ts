import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { ApiClient } from '@jobtrail/deploy/api-client'
import type { ServerSentEvent } from '@jobtrail/deploy/sse'
import { waitFor } from '@jobtrail/deploy/wait'
import { FollowEnd, LogLineView } from '@jobtrail/shared/api/logs'
import { describe, expect, test } from 'vitest'
import { useCluster } from '../support/cluster.js'
import { commandJob, createAndRun, createJob, logPage, runJob, shellJob, uniqueName, waitForInstance } from '../support/factories.js'
import { isOutage, LogFollower } from '../support/follow.js'
import { Gate } from '../support/gate.js'
import { readMetric } from '../support/metrics.js'
import { type NumberedLines, numberedLinesCommand } from '../support/numbered-lines.js'
import { storedIds } from '../support/stored-ids.js'

const cluster = useCluster({ servers: 3, workers: 1, slots: 4 })

async function gatedRun(log: NumberedLines, sections: number): Promise<{ instanceId: string; gate: Gate }> {
  const gate = new Gate(join(cluster().dir, `gate-${log.seed}`))
  const { command, args } = numberedLinesCommand(log, { sections, gateFile: gate.file, burst: 50, pauseMs: 2 })
  const { instanceId } = await createAndRun(await cluster().api(), commandJob(command, args))
  return { instanceId, gate }
}

const path = (instanceId: string, query = ''): string => `/api/instances/${instanceId}/logs/follow${query}`

const waitForFollowers = (url: string, count: number): Promise<unknown> =>
  waitFor(async () => (await readMetric(url, 'jobtrail_log_followers')) === count, { timeoutMs: 90_000, what: `${count} followers at ${url}` })

/** All events until the server ends them. */
async function eventsOf(api: ApiClient, instanceId: string, query = '', lastEventId?: string): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = []
  for await (const event of api.events(path(instanceId, query), lastEventId === undefined ? {} : { lastEventId })) events.push(event)
  return events
}
const linesOf = (events: readonly ServerSentEvent[]): LogLineView[] =>
  events.filter(({ event }) => event === 'message').map(({ data }) => LogLineView.parse(JSON.parse(data)))
const wholeLog = async (instanceId: string): Promise<LogLineView[]> => (await logPage(await cluster().api(), instanceId, 'limit=10000')).lines

describe('following a log', () => {
  test('begins at the start, in the middle or before the end, carries line numbers as IDs, and ends with `end`', async () => {
    const api = await cluster().api()
    const { instanceId, gate } = await gatedRun({ seed: 31, lines: 2_000 }, 4)
    const followers = [new LogFollower([api], instanceId), new LogFollower([api], instanceId, '?from=777')]
    gate.open()
    await waitFor(() => followers[0] !== undefined && followers[0].lines.length >= 500, { timeoutMs: 60_000, what: 'lines while it is written' })
    gate.openAll()
    await Promise.all(followers.map(({ done }) => done))
    const all = await wholeLog(instanceId)
    expect(all).toHaveLength(2_000)
    expect(followers[0]?.lines).toEqual(all)
    expect(followers[1]?.lines).toEqual(all.slice(777))
    for (const { end } of followers) expect(end).toMatchObject({ state: 'sealed', total: 2_000, attempt: 1, task: 0, status: 'SUCCEEDED' })
    for (const { url } of [...cluster().servers, cluster()]) {
      const events = await eventsOf(await cluster().api(url), instanceId, '?from=-5')
      expect(linesOf(events)).toEqual(all.slice(-5))
      expect(events.filter(({ event }) => event === 'message').map(({ id }) => id)).toEqual(['1995', '1996', '1997', '1998', '1999'])
      expect(events.at(-1)?.event).toBe('end')
    }
    expect(linesOf(await eventsOf(api, instanceId, '?from=0', '1989'))).toEqual(all.slice(1_990))
    expect(linesOf(await eventsOf(api, instanceId, '?from=5000'))).toEqual([])
  })

  test('opened before the first line shows all of them, on every server', async () => {
    const admin = await cluster().api()
    const job = await createJob(admin, shellJob('echo first; echo second', { routing: { tags: ['not-there-yet'] } }))
    const instanceId = await runJob(admin, job.id)
    const followers = await Promise.all(cluster().servers.map(async ({ url }) => new LogFollower([await cluster().api(url)], instanceId)))
    await Promise.all(cluster().servers.map(({ url }) => waitForFollowers(url, 1)))
    await cluster().addWorker({ args: ['--tags', 'not-there-yet'] })
    await Promise.all(followers.map(({ done }) => done))
    for (const { lines, end } of followers) {
      expect(lines.map(({ text }) => text)).toEqual(['first', 'second'])
      expect(end).toMatchObject({ state: 'sealed', total: 2, status: 'SUCCEEDED' })
    }
  })

  test('of an instance that is cancelled before it began ends', async () => {
    const api = await cluster().api()
    const { instanceId } = await createAndRun(api, shellJob('true', { routing: { tags: ['nowhere'] } }))
    const follower = new LogFollower([api], instanceId)
    await api.post(`/api/instances/${instanceId}/cancel`)
    await follower.done
    expect([follower.lines, follower.end]).toEqual([[], { state: 'sealed', total: 0, task: 0, attempt: 1, status: 'CANCELLED' }])
  })

  test('goes on over a retry with an event `attempt` and IDs that name the attempt; pinned to one it stays there', async () => {
    const api = await cluster().api()
    const gate = new Gate(join(cluster().dir, 'gate-retry'))
    const script = `echo "a$JOBTRAIL_ATTEMPT_NUMBER"; ${gate.shell(1)}; echo "b$JOBTRAIL_ATTEMPT_NUMBER"; [ "$JOBTRAIL_ATTEMPT_NUMBER" = 3 ]`
    const { instanceId } = await createAndRun(api, shellJob(script, { retry: { maxRetries: 2, backoffMs: 100 } }))
    await waitForInstance(api, instanceId, 'has printed', ({ log }) => log.lines === 1)
    const { url: firstUrl } = cluster().server(0)
    const first = api.at(firstUrl)
    await waitForFollowers(firstUrl, 0)
    const following = [eventsOf(first, instanceId), eventsOf(first, instanceId, '?attempt=1')]
    await waitForFollowers(firstUrl, 2)
    gate.openAll()
    const [events = [], pinned = []] = await Promise.all(following)
    const shown = (all: readonly ServerSentEvent[]): unknown[] =>
      all.map(({ event, id, data }) => (event === 'message' ? `${id} ${LogLineView.parse(JSON.parse(data)).text}` : event))
    expect(shown(events)).toEqual(['0 a1', '1 b1', 'attempt', '2:0 a2', '2:1 b2', 'attempt', '3:0 a3', '3:1 b3', 'end'])
    expect(events.filter(({ event }) => event === 'attempt').map(({ data }) => JSON.parse(data) as unknown)).toEqual([
      { attempt: 2, task: 0 },
      { attempt: 3, task: 0 },
    ])
    expect(FollowEnd.parse(JSON.parse(events.at(-1)?.data ?? ''))).toMatchObject({ attempt: 3, status: 'SUCCEEDED', total: 2 })
    expect(shown(pinned)).toEqual(['0 a1', '1 b1', 'end'])
    for (const { url } of cluster().servers) {
      const server = await cluster().api(url)
      expect(shown(await eventsOf(server, instanceId, '', '0'))).toEqual(['1 b1', 'attempt', '2:0 a2', '2:1 b2', 'attempt', '3:0 a3', '3:1 b3', 'end'])
      expect(shown(await eventsOf(server, instanceId, '', '2:0'))).toEqual(['2:1 b2', 'attempt', '3:0 a3', '3:1 b3', 'end'])
      expect(shown(await eventsOf(server, instanceId))).toEqual(['3:0 a3', '3:1 b3', 'end'])
    }
  })

  test('by a slow reader holds up nobody, and the slow one gets every line too', async () => {
    const { url } = cluster().server(0)
    const server = await cluster().api(url)
    // More than the buffers of any connection hold.
    const count = 12_000
    const expected = Array.from({ length: count }, (_, n) => String(n).padStart(2_000, '.'))
    const gate = new Gate(join(cluster().dir, 'gate-slow'))
    const print = `for (let n = 0; n < ${count}; n++) console.log(String(n).padStart(2000, '.'))`
    const { instanceId } = await createAndRun(server, shellJob(`${gate.shell(1)}; exec "${process.execPath}" -e "${print}"`))
    const slow = server.events(path(instanceId))
    const first = slow.next()
    const fast = new LogFollower([server], instanceId)
    gate.openAll()
    const taken = [(await first).value].filter((event) => event !== undefined)
    await fast.done
    expect(fast.lines.map(({ text }) => text)).toEqual(expected)
    // It has taken nothing since its first line. A server lets go of one that takes nothing for very long; then it comes back where it was.
    try {
      for await (const event of slow) taken.push(event)
    } catch (error) {
      if (!isOutage(error)) throw error
    }
    if (taken.at(-1)?.event !== 'end') taken.push(...(await eventsOf(server, instanceId, '', taken.at(-1)?.id)))
    expect(linesOf(taken).map(({ text }) => text)).toEqual(expected)
  })
})

/** What a follower saw: whether the numbers followed on each other, how many, and a digest of all lines. */
async function digestFollowed(api: ApiClient, instanceId: string): Promise<{ lines: number; digest: string; end: string | undefined }> {
  const digest = createHash('sha256')
  let lines = 0
  let end: string | undefined
  for await (const { event, id, data } of api.events(path(instanceId))) {
    if (event === 'end') end = data
    if (event !== 'message') continue
    if (id !== String(lines)) throw new Error(`line ${id} came where line ${lines} was due`)
    digest.update(data)
    lines++
  }
  return { lines, digest: digest.digest('hex'), end }
}

test('500 followers of one instance on one server each get every line, and each chunk is read once', async () => {
  const { url } = cluster().server(1)
  const api = await cluster().api(url)
  const log = { seed: 33, lines: 2_000 }
  const { instanceId, gate } = await gatedRun(log, 3)
  // One user may follow 100 at a time on a server.
  const users = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const { token } = await api.post<{ token: string }>('/api/api-tokens', { namespace: 'default', name: uniqueName('follower'), role: 'viewer' })
      return new ApiClient(url, token)
    }),
  )
  const followers = users.flatMap((user) => Array.from({ length: 100 }, () => digestFollowed(user, instanceId)))
  await waitForFollowers(url, 500)
  const before = await readMetric(url, 'jobtrail_log_chunk_reads_total')
  gate.openAll()
  const seen = await Promise.all(followers)
  const after = await readMetric(url, 'jobtrail_log_chunk_reads_total')
  const chunks = await (await cluster().database()).collection('log_chunks').countDocuments({ '_id.instance': storedIds([instanceId]) })
  expect(after - before).toBe(chunks)
  const all = await wholeLog(instanceId)
  expect(all).toHaveLength(log.lines)
  const digest = createHash('sha256')
    .update(all.map((line) => JSON.stringify(line)).join(''))
    .digest('hex')
  for (const each of seen) expect(each).toMatchObject({ lines: log.lines, digest, end: seen[0]?.end })
  expect(FollowEnd.parse(JSON.parse(seen[0]?.end ?? ''))).toMatchObject({ state: 'sealed', total: log.lines })
})

test('a follower whose server is killed in the middle goes on at another by Last-Event-ID, and sees every line once', async () => {
  const log = { seed: 34, lines: 6_000 }
  const { instanceId, gate } = await gatedRun(log, 6)
  const apis = await Promise.all(cluster().servers.map(({ url }) => cluster().api(url)))
  const balanced = await cluster().api()
  // One that goes from server to server, and one at the load balancer, which picks for it.
  const followers = [new LogFollower([...apis.slice(2), ...apis.slice(0, 2)], instanceId), new LogFollower([balanced], instanceId)]
  const seen = (): number => Math.min(...followers.map(({ lines }) => lines.length))
  gate.open()
  await waitFor(() => seen() > 500, { timeoutMs: 60_000, what: 'lines at both followers' })
  for (const index of [2, 0, 1]) {
    await cluster().server(index).kill()
    gate.open()
    const before = seen()
    await waitFor(() => seen() > before, { timeoutMs: 60_000, what: `more lines without server ${index}` })
    await cluster().server(index).start()
  }
  gate.openAll()
  await Promise.all(followers.map(({ done }) => done))
  const all = await wholeLog(instanceId)
  expect(all).toHaveLength(log.lines)
  for (const { lines, reconnects } of followers) {
    expect(reconnects).toBeGreaterThan(0)
    expect(lines).toEqual(all)
  }
})
