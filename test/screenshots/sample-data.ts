import type { ApiClient } from '@jobtrail/deploy/api-client'
import { createJob, type JobInput, runJob, waitForEnd, waitForSealed } from '../support/factories.js'

/** What the pictures show in detail. */
export interface SampleData {
  editedJobId: string
  liveInstanceId: string
  largeInstanceId: string
  failedInstanceId: string
  waitingInstanceId: string
}

const BERLIN = 'Europe/Berlin'
const shell = (script: string): JobInput['processor'] => ({ kind: 'shell', script })

const BILLING = `set -eu
# Invoices of the day, one customer after another.
for customer in $(seq 1 40); do
  echo "invoice $customer of 40 for \${JOBTRAIL_PARAM_REGION}"
done
echo '{"invoices": 40}' > "$JOBTRAIL_RESULT_FILE"
`

const IMPORT = `printf '\\033[36mreading\\033[0m orders from https://shop.example.com/export\\n'
echo "::group::Check of the columns"
for column in id customer amount currency; do echo "column $column is there"; done
echo "::endgroup::"
for i in $(seq 1 4000); do
  printf '\\033[32mok\\033[0m    order %05d {"customer":%d,"amount":%d.%02d,"currency":"EUR"}\\n' $i $((i * 37 % 900)) $((i % 240)) $((i % 100))
  if [ $((i % 9)) -eq 0 ]; then printf '\\033[33mwarn\\033[0m  order %05d has no address\\n' $i >&2; fi
  # A screen at once, then slowly: it is there to be looked at, not to load the machine.
  if [ $i -gt 60 ]; then sleep 0.2; else sleep 0.01; fi
done
`

/** With four needles in it. */
const large = (lines: number): string =>
  `seq 1 ${lines} | awk '{ if ($1 % ${lines / 4} == 1) print "checkpoint", $1, "needle"; else print "copied block", $1, "of ${lines} to the archive" }'`

const FAILING = `echo "connecting to ledger.example.com:5432"
echo "transfer 118 of 250"
printf '\\033[31merror\\033[0m: the ledger refused transfer 119: insufficient funds\\n' >&2
exit 3
`

/** Jobs of several kinds with a history, one of them running, one waiting, one with a large log. Waits until all that is to end has ended. */
export async function makeSampleData(api: ApiClient, { largeLines = 1_000_000 } = {}): Promise<SampleData> {
  const job = async (name: string, more: Omit<JobInput, 'name'>): Promise<string> => (await createJob(api, { name, ...more })).id
  const manual = { kind: 'manual' } as const
  const billing = await job('nightly-billing', {
    description: 'Invoices of the day, for all regions',
    trigger: { kind: 'cron', expression: '30 2 * * 1-5', timeZone: BERLIN },
    processor: shell(BILLING),
    params: { region: 'EU' },
    timeoutMs: 600_000,
    retry: { maxRetries: 2 },
  })
  const imports = await job('import-orders', { trigger: { kind: 'interval', everyMs: 3_600_000 }, processor: shell(IMPORT) })
  const archive = await job('archive-blocks', {
    trigger: { kind: 'cron', expression: '0 4 * * 0', timeZone: 'Asia/Shanghai' },
    processor: shell(large(largeLines)),
  })
  const ledger = await job('post-ledger', { trigger: manual, processor: shell(FAILING) })
  const training = await job('train-model', { trigger: manual, processor: shell('nvidia-smi'), routing: { group: 'default', tags: ['gpu'] } })
  const report = await job('weekly-report', {
    trigger: { kind: 'cron', expression: '0 7 * * 1', timeZone: BERLIN },
    processor: shell('echo "42 pages"; sleep 0.2'),
  })
  await job('backup-database', {
    trigger: { kind: 'cron', expression: '15 1 * * *', timeZone: 'UTC' },
    processor: shell('pg_dump shop | gzip > /backup/shop.gz'),
    enabled: false,
  })

  await api.patch(`/api/jobs/${billing}`, { revision: 1, description: 'Invoices of the day, for all regions, before the mails go out' })
  const many = (jobId: string, count: number): Promise<string[]> => Promise.all(Array.from({ length: count }, () => runJob(api, jobId)))
  const [billed, reported, posted] = await Promise.all([many(billing, 24), many(report, 30), many(ledger, 5)])
  const largeInstanceId = await runJob(api, archive)
  await Promise.all([...billed, ...reported, ...posted].map((instanceId) => waitForEnd(api, instanceId)))
  await waitForSealed(api, largeInstanceId)
  await api.post('/api/namespaces', { name: 'billing', description: 'Invoices and payments' })
  await api.post('/api/users', { username: 'vera', password: 'a-viewers-password', grants: { default: 'viewer' } })
  await api.post('/api/users', { username: 'otto', password: 'an-operators-password', grants: { default: 'operator', billing: 'viewer' } })
  await api.post('/api/api-tokens', { namespace: 'default', name: 'continuous-integration', role: 'operator' })
  return {
    editedJobId: billing,
    largeInstanceId,
    failedInstanceId: posted[0] ?? '',
    waitingInstanceId: await runJob(api, training),
    liveInstanceId: await runJob(api, imports),
  }
}
