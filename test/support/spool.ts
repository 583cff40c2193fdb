import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ApiClient } from '@jobtrail/deploy/api-client'
import { waitFor } from '@jobtrail/deploy/wait'
import { createAndRun, type JobInput, shellJob, waitForInstance } from './factories.js'
import type { WorkerNode } from './nodes.js'

const WAIT_MS = 90_000

/** Runs a job that prints a first line, and waits until a server has it. */
export async function runUntilPrinting(api: ApiClient, script: string, more: Partial<JobInput> = {}): Promise<string> {
  const { instanceId } = await createAndRun(api, shellJob(script, more))
  await waitForInstance(api, instanceId, 'has printed', ({ log }) => log.lines > 0)
  return instanceId
}

/** Waits until a worker holds the end of an attempt that it could not deliver. Then its log is in the spool as well. */
export async function waitForKeptEnd(worker: WorkerNode, instanceId: string): Promise<void> {
  const outbox = join(worker.spoolDir, 'outbox.jsonl')
  await waitFor(() => readFileSync(outbox, 'utf8').includes(instanceId), { timeoutMs: WAIT_MS, what: `the end of ${instanceId} in ${outbox}` })
}
