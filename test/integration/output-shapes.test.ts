import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import type { InstanceDetail } from '@jobtrail/api/instances'
import { LogLineView, LogSearchPage, LogVerification } from '@jobtrail/api/logs'
import type { LogState } from '@jobtrail/protocol/domain/statuses'
import { describe, expect, test } from 'vitest'
import { pidOf } from '../bench/harness/cluster-roles.js'
import { peakMib } from '../bench/harness/process-meter.js'
import { waitForNoProcess } from '../support/attempt-processes.js'
import { useCluster } from '../support/cluster.js'
import { createAndRun, type JobInput, logPage, rawLog, shellJob, waitForSealed } from '../support/factories.js'

const cluster = useCluster({ servers: 2, workers: 1 })

/** The longest line that is kept in one piece. */
const MAX_LINE = 65_536
const LONG_MS = 180_000

const sha256 = (content: Buffer | string): string => createHash('sha256').update(content).digest('hex')

/** Runs a job to its end and waits for its log. */
async function runSealed(script: string, more: Partial<JobInput> = {}, timeoutMs = 60_000): Promise<InstanceDetail> {
  const api = await cluster().api()
  const { instanceId } = await createAndRun(api, shellJob(script, more))
  const instance = await waitForSealed(api, instanceId, timeoutMs)
  expect(instance).toMatchObject({ status: 'SUCCEEDED', attempt: 1 })
  return instance
}

/** A job whose script is JavaScript for Node. */
const nodeScript = (script: string): Partial<JobInput> => ({ processor: { kind: 'shell', script, interpreter: process.execPath } })

async function linesOf(instanceId: string): Promise<string[]> {
  return (await logPage(await cluster().api(), instanceId)).lines.map(({ stream, text }) => `${stream}: ${text}`)
}

/** Reads a whole log without holding it. */
async function digestOfRaw(api: ApiClient, instanceId: string): Promise<{ bytes: number; sha256: string }> {
  const response = await api.raw('GET', `/api/instances/${instanceId}/logs/raw`, {
    headers: { 'accept-encoding': 'identity' },
    signal: AbortSignal.timeout(LONG_MS),
  })
  if (!response.ok || response.body === null) throw new Error(`raw: ${response.status}`)
  const hash = createHash('sha256')
  let bytes = 0
  for await (const part of response.body) {
    hash.update(part)
    bytes += part.byteLength
  }
  return { bytes, sha256: hash.digest('hex') }
}

async function expectValid(instanceId: string, state: LogState = 'sealed'): Promise<void> {
  const api = await cluster().api()
  expect(await api.get(`/api/instances/${instanceId}/logs/verify`, LogVerification)).toMatchObject({ valid: true, state })
}

/** Every process of the cluster has stayed below its bound, from its start to now. */
function expectBoundedMemory(): void {
  for (const server of cluster().servers) expect(peakMib(pidOf(server)), `peak of ${server.name}, MiB`).toBeLessThan(350)
  for (const worker of cluster().workers) expect(peakMib(pidOf(worker)), `peak of ${worker.name}, MiB`).toBeLessThan(250)
}

describe('much output', () => {
  test('1 GiB is stored byte for byte, and memory of servers and worker stays bounded', { timeout: 2 * LONG_MS }, async () => {
    // The process says in its result what it wrote: no two of its lines are alike.
    const script = `
      const { writeSync, writeFileSync } = require('node:fs')
      const hash = require('node:crypto').createHash('sha256')
      const WIDTH = 1024
      const block = Buffer.from(('0'.repeat(8) + ' the quick brown fox jumps over the lazy dog'.repeat(24)).slice(0, WIDTH - 1).concat('\\n').repeat(1024))
      let lines = 0
      while (lines < 1024 * 1024) {
        for (let i = 0; i < 1024; i++, lines++) block.write(lines.toString(16).padStart(8, '0'), i * WIDTH)
        hash.update(block)
        for (let at = 0; at < block.length; ) at += writeSync(1, block, at)
      }
      writeFileSync(process.env.JOBTRAIL_RESULT_FILE, JSON.stringify({ lines, bytes: lines * WIDTH, sha256: hash.digest('hex') }))`
    const instance = await runSealed(script, nodeScript(script), LONG_MS)
    expect(instance).toMatchObject({ log: { lines: 1_048_576, bytes: 1_073_741_824 }, result: { lines: 1_048_576, bytes: 1_073_741_824 } })
    const api = await cluster().api()
    expect(instance.result).toMatchObject(await digestOfRaw(api, instance.id))
    for (const from of [0, 500_000, 1_048_575]) {
      const { lines } = await logPage(api, instance.id, `from=${from}&limit=1`)
      expect(lines).toMatchObject([{ n: from, text: expect.stringMatching(new RegExp(`^${from.toString(16).padStart(8, '0')} the quick`)) }])
    }
    expectBoundedMemory()
  })

  test('one endless line of 200 MB is cut into pieces that join to what was written', { timeout: LONG_MS }, async () => {
    const instance = await runSealed("head -c 200000000 /dev/zero | tr '\\0' x", {}, LONG_MS)
    const pieces = Math.ceil(200_000_000 / MAX_LINE)
    expect(instance.log).toMatchObject({ lines: pieces, bytes: 200_000_000 })
    const api = await cluster().api()
    const written = createHash('sha256')
    for (let left = 200; left > 0; left--) written.update(Buffer.alloc(1_000_000, 'x'))
    expect(await digestOfRaw(api, instance.id)).toEqual({ bytes: 200_000_000, sha256: written.digest('hex') })
    const page = await logPage(api, instance.id, 'limit=1')
    expect(page.lines.map(({ n, cut, text, pieces: joined }) => [n, cut, text.length, joined])).toEqual([[0, true, 16 * MAX_LINE, 16]])
    expect(page.next).toBe(16)
    const { lines } = await logPage(api, instance.id, 'from=-2&limit=2&pieces=true')
    expect(lines.map(({ n, cut, text }) => [n, cut, text.length])).toEqual([
      [pieces - 2, true, MAX_LINE],
      [pieces - 1, undefined, 200_000_000 % MAX_LINE],
    ])
    expectBoundedMemory()
  })

  test('a line of 3 MB is one line with its time in a download, and in parts of 1 MiB, cut but the last, as JSON and to a search', async () => {
    const instance = await runSealed("head -c 1500000 /dev/zero | tr '\\0' x; printf needle; head -c 1500000 /dev/zero | tr '\\0' y; printf '\\nnext\\n'")
    const api = await cluster().api()
    const written = `${'x'.repeat(1_500_000)}needle${'y'.repeat(1_500_000)}`
    const download = (await rawLog(api, instance.id, 'timestamps=true')).toString()
    // Compared by their digests: a difference would print megabytes.
    expect(sha256(download.replaceAll(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z /gm, ''))).toBe(sha256(`${written}\nnext\n`))
    expect(download.match(/\d{4}-\d\d-\d\dT/g)).toHaveLength(2)
    const jsonl = (await rawLog(api, instance.id, 'format=jsonl')).toString().trimEnd().split('\n')
    const parts = jsonl.map((line) => LogLineView.parse(JSON.parse(line)))
    expect(parts.map(({ n, pieces, cut }) => [n, pieces, cut])).toEqual([
      [0, 16, true],
      [16, 16, true],
      [32, 14, undefined],
      [46, undefined, undefined],
    ])
    expect(
      sha256(
        parts
          .slice(0, 3)
          .map(({ text }) => text)
          .join(''),
      ),
    ).toBe(sha256(written))
    const { matches } = await api.get(`/api/instances/${instance.id}/logs/search?q=needle`, LogSearchPage)
    expect(matches.map(({ n, at }) => [n, at])).toEqual([[16, [[1_500_000 - 16 * MAX_LINE, 1_500_006 - 16 * MAX_LINE]]]])
  })

  test('100,000 lines in one burst are all there, in order', async () => {
    const instance = await runSealed('seq 1 100000')
    expect(instance.log.lines).toBe(100_000)
    const api = await cluster().api()
    const written = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join('')
    expect(sha256(await rawLog(api, instance.id))).toBe(sha256(written))
    const { lines } = await logPage(api, instance.id, 'from=99998&limit=10')
    expect(lines.map(({ n, text }) => [n, text])).toEqual([
      [99_998, '99999'],
      [99_999, '100000'],
    ])
    await expectValid(instance.id)
  })
})

describe('odd output', () => {
  test('nothing at all is a log without lines, and sealed', async () => {
    const instance = await runSealed('true')
    expect(instance.log).toEqual({ state: 'sealed', lines: 0, bytes: 0 })
    const api = await cluster().api()
    expect(await logPage(api, instance.id)).toMatchObject({ state: 'sealed', total: 0, lines: [], next: null })
    expect(await rawLog(api, instance.id)).toHaveLength(0)
    await expectValid(instance.id)
  })

  test('binary output is kept byte for byte, and shown with U+FFFD where it is not UTF-8', async () => {
    const written = Buffer.from('00610062 0a 636166e9 0a c3a9 f09f9880 0a f09f98 0a 80ff c0af 0a 1b5b33316d 0a 0a 00'.replaceAll(' ', ''), 'hex')
    const instance = await runSealed(`echo ${written.toString('base64')} | base64 -d`)
    expect(await rawLog(await cluster().api(), instance.id)).toEqual(written)
    const shown = ['\0a\0b', 'caf\uFFFD', 'é😀', '\uFFFD', '\uFFFD\uFFFD\uFFFD\uFFFD', '\u001B[31m', '', '\0']
    expect(await linesOf(instance.id)).toEqual(shown.map((text) => `stdout: ${text}`))
  })

  test('every byte there is, in any order, comes back', async () => {
    let block = createHash('sha512').update('seed').digest()
    const blocks = Array.from({ length: 16_384 }, () => (block = createHash('sha512').update(block).digest()))
    const script = `
      const { createHash } = require('node:crypto')
      let block = createHash('sha512').update('seed').digest()
      const blocks = Array.from({ length: 16384 }, () => (block = createHash('sha512').update(block).digest()))
      const bytes = Buffer.concat(blocks)
      for (let at = 0; at < bytes.length; ) at += require('node:fs').writeSync(1, bytes, at)`
    const instance = await runSealed(script, nodeScript(script))
    expect(await digestOfRaw(await cluster().api(), instance.id)).toEqual({ bytes: 1_048_576, sha256: sha256(Buffer.concat(blocks)) })
    await expectValid(instance.id)
  })

  test('a last line without newline is a line, on both sides, and gets no newline', async () => {
    const instance = await runSealed("printf 'one\\ntwo'; printf three >&2")
    const api = await cluster().api()
    expect(await rawLog(api, instance.id, 'stream=stdout')).toEqual(Buffer.from('one\ntwo'))
    expect(await rawLog(api, instance.id, 'stream=stderr')).toEqual(Buffer.from('three'))
    expect((await linesOf(instance.id)).toSorted()).toEqual(['stderr: three', 'stdout: one', 'stdout: two'])
    expect(instance.log).toMatchObject({ lines: 3, bytes: 12 })
  })

  test('CRLF and the carriage returns of a progress bar are kept', async () => {
    const written = 'one\r\ntwo\r\n\r\n 10 %\r 50 %\r100 %\ndone\r'
    const instance = await runSealed(`printf '${written.replaceAll('%', '%%').replaceAll('\r', '\\r').replaceAll('\n', '\\n')}'`)
    expect((await rawLog(await cluster().api(), instance.id)).toString()).toBe(written)
    expect(await linesOf(instance.id)).toEqual(['one\r', 'two\r', '\r', ' 10 %\r 50 %\r100 %', 'done\r'].map((text) => `stdout: ${text}`))
  })
})

describe('output of processes that the job leaves behind', () => {
  test("is read to its end after the job's own process has exited", async () => {
    // The first waits until its parent is gone; the second also leaves the process group.
    const script =
      '(while kill -0 $$ 2> /dev/null; do sleep 0.05; done; echo late) & setsid sh -c "while kill -0 $$ 2> /dev/null; do sleep 0.05; done; echo later >&2" & echo now'
    const instance = await runSealed(script)
    expect((await linesOf(instance.id)).toSorted()).toEqual(['stderr: later', 'stdout: late', 'stdout: now'])
    expect(instance).toMatchObject({ attempts: [{ exitCode: 0 }] })
  })

  test('does not keep the instance running when they hold it open for good: they are killed', async () => {
    const instance = await runSealed('sleep 600 & setsid sleep 600 & (setsid sleep 600 > /dev/null 2>&1 &) ; echo now')
    expect(await linesOf(instance.id)).toEqual(['stdout: now', 'system: [jobtrail] output of what was left in the background is cut off here'])
    await waitForNoProcess([instance.id], 1)
  })
})

describe('what is left out or masked', () => {
  const bytesOf = (lines: readonly string[]): number => Buffer.byteLength(lines.map((line) => `${line}\n`).join(''))
  const numbers = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, i) => String(from + i))

  test('a limit of lines leaves marker lines that say how many lines and bytes are missing', async () => {
    const instance = await runSealed('seq 1 1000', { log: { maxLines: 10 } })
    expect(await linesOf(instance.id)).toEqual([
      ...numbers(1, 10).map((text) => `stdout: ${text}`),
      'system: [jobtrail] log limit of 10 lines reached; what follows is left out',
      `system: [jobtrail] 990 lines (${bytesOf(numbers(11, 1_000)).toLocaleString('en')} bytes) left out by the log limit`,
    ])
    await expectValid(instance.id, 'partial')
    expect(instance.log.losses).toMatchObject([{ reason: 'limit', at: 10 }])
  })

  test('a limit of bytes is never exceeded, and what is beyond is counted', async () => {
    const instance = await runSealed('seq 1000 9999', { log: { maxBytes: 52 } })
    expect(await linesOf(instance.id)).toEqual([
      ...numbers(1_000, 1_009).map((text) => `stdout: ${text}`),
      'system: [jobtrail] log limit of 52 bytes reached; what follows is left out',
      'system: [jobtrail] 8,990 lines (44,950 bytes) left out by the log limit',
    ])
  })

  test('a secret is masked wherever it falls: in pieces, at the cut of a long line, on stderr', async () => {
    const secret = 'correct-horse-battery-staple'
    const script = `
      printf 'token=%s!\\n' "$TOKEN"
      printf 'in '; printf correct-horse; sleep 0.1; printf -- '-battery-staple'; printf ' pieces\\n'
      echo "$TOKEN$TOKEN" >&2
      head -c ${MAX_LINE - 10} /dev/zero | tr '\\0' x; printf '%s end\\n' "$TOKEN"
      printf %s "$TOKEN"`
    const instance = await runSealed(script, { secrets: { TOKEN: secret } })
    const api = await cluster().api()
    const raw = (await rawLog(api, instance.id, 'stream=stdout')).toString()
    expect(raw).toBe(`token=***!\nin *** pieces\n${'x'.repeat(MAX_LINE - 10)}*** end\n***`)
    expect((await rawLog(api, instance.id, 'stream=stderr')).toString()).toBe('******\n')
    const everything = JSON.stringify([await logPage(api, instance.id), await api.get(`/api/instances/${instance.id}`)])
    expect(everything).not.toContain('battery')
    // Nor is it in the worker's own log.
    expect(readFileSync(cluster().worker(0).process.logFile, 'utf8')).not.toContain(secret)
  })
})
