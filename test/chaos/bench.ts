import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { ChaosCluster } from './cluster/cluster.js'
import { FAULTS } from './faults/all.js'
import type { FaultKind } from './faults/fault.js'
import { FaultRunner } from './faults/runner.js'
import { LoadApi } from './load/api.js'
import { failingKinds } from './load/failing-kinds.js'
import { lastWorker, type RanOnFormer } from './load/judging.js'
import { oddKinds } from './load/odd-kinds.js'
import { Ledger, type Run } from './load/run.js'
import { withheldKinds } from './load/withheld-kinds.js'
import { steadyKinds } from './load/steady-kinds.js'
import { Workload } from './load/workload.js'
import type { ChaosOptions } from './options.js'
import { Findings, type Violation } from './oracle/findings.js'
import { processesOf } from './oracle/leftovers.js'
import { SecretScan } from './oracle/secrets.js'
import { WitnessFolder } from './oracle/witness.js'
import { makePlan } from './plan.js'
import { Random } from './random.js'
import type { ChaosResult } from './report.js'
import { FinalJudgement } from './watch/final.js'
import { Followers } from './watch/followers.js'
import { LogAudit } from './watch/log-audit.js'
import { Reading } from './watch/reading.js'
import { Readers } from './watch/readers.js'
import { RunWatch } from './watch/run-watch.js'
import { ScheduleWatch } from './watch/schedule-watch.js'
import { judgeStored } from './watch/stored-secrets.js'
import { TenantProbe } from './watch/tenants.js'
import { Watchdog } from './watch/watchdog.js'

const PROGRESS_MS = 5_000
/** Everything runs undisturbed for so long before the first fault. */
const WARM_UP_MS = 3_000
/** Base64 of so many bytes needs no filling. */
const SECRET_BYTES = 24

/** Kinds that can be inflicted here, and why the others cannot. */
function possibleFaults(cluster: ChaosCluster, wanted: readonly string[]): { kinds: FaultKind[]; missing: { name: string; why: string }[] } {
  const asked = FAULTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
  const missing = asked.flatMap((kind) => {
    const why = kind.missing?.(cluster)
    return why === undefined ? [] : [{ name: kind.name, why }]
  })
  return { kinds: asked.filter(({ name }) => !missing.some((each) => each.name === name)), missing }
}

/** Runs the whole bench: a cluster under load, faults by plan, the oracle all the while, and the judgement in the end. */
export async function runChaos(options: ChaosOptions, print: (line: string) => void): Promise<ChaosResult> {
  const startedAt = new Date()
  print(`starting 3 servers, 4 workers, 3 mongods, Redis and the load balancer; seed ${options.seed}`)
  const cluster = await ChaosCluster.start({ useFormer: options.faults.length === 0 || options.faults.some((name) => name.endsWith('-former')) })
  let isOver = false
  try {
    const { kinds, missing } = possibleFaults(cluster, options.faults)
    for (const { name, why } of missing) print(`left out: ${name}: ${why}`)
    const findings = new Findings(
      () => faults.recent(),
      (violation) => print(describeViolation(violation)),
    )
    const faults = new FaultRunner(cluster, kinds, (what) => findings.check('stays-up', [what]))
    const plan = makePlan(options.seed, options.minutes * 60_000, options.gapMs, kinds)
    const random = new Random(options.seed + 1)
    const wasFormerUp = (time: number): boolean => cluster.wasFormerUp(time)
    const ranOnFormer: RanOnFormer = ({ acknowledgedAt }, detail) => cluster.wasFormerWorker(lastWorker(detail), acknowledgedAt)
    const secret = randomBytes(SECRET_BYTES).toString('base64url').slice(0, SECRET_BYTES)
    const secrets = new SecretScan([secret])
    const api = new LoadApi({ all: () => cluster.urls, present: () => cluster.presentUrls }, findings, random, secrets)
    const ledger = new Ledger()
    const witness = new WitnessFolder(cluster.witnessDir)
    const reading = new Reading(api, cluster.access)
    const wasOnFormer = ({ view, acknowledgedAt }: Run, attempt: number): boolean =>
      cluster.wasFormerWorker(view?.attempts[attempt - 1]?.worker, acknowledgedAt)
    const mayBeOfFormer = (run: Run, attempt: number): boolean => wasFormerUp(run.acknowledgedAt) || wasOnFormer(run, attempt)
    const logs = new LogAudit(reading, witness, findings, mayBeOfFormer, wasOnFormer)
    const jobs = [
      ...[...steadyKinds(witness.dir), ...failingKinds(witness.dir)],
      ...[...oddKinds(witness.dir, join(cluster.dir, 'fixtures'), wasFormerUp, ranOnFormer), ...withheldKinds(witness.dir, secret, wasFormerUp, ranOnFormer)],
    ]
    const wanted = jobs.filter(({ name }) => options.jobs.length === 0 || options.jobs.includes(name))
    const isFormerUp = (): boolean => cluster.servers.some(({ build }) => build === 'former')
    const workload = new Workload(wanted, api, cluster.access, ledger, findings, random, isFormerUp)
    const schedules = new ScheduleWatch(workload, ledger, api, cluster.access, findings)
    const runs = new RunWatch(ledger, reading, logs, witness, findings, mayBeOfFormer)
    const followers = new Followers(ledger, api, reading, findings, secrets)
    const lookers = [new Readers(ledger, reading, findings, random, wasFormerUp), followers, new TenantProbe(ledger, api, cluster.access, findings, random)]
    const watchers = [schedules, runs, new Watchdog(cluster, findings)]
    const final = new FinalJudgement(cluster, ledger, workload, schedules, reading, logs, witness, findings)

    await workload.define()
    workload.start()
    for (const watcher of [...watchers, ...lookers]) watcher.start()
    const progress = setInterval(() => {
      const minutes = (Date.now() - startedAt.getTime()) / 60_000
      const going = faults.going.map(({ kind }) => kind).join(' ')
      print(
        `${minutes.toFixed(1)} min · faults ${faults.inflicted.length}/${plan.length} · runs ${ledger.size}, ${ledger.waiting.length} not ended · checks ${findings.totalChecks} · violations ${findings.totalViolations}${going === '' ? '' : ` · now: ${going}`}`,
      )
    }, PROGRESS_MS)
    try {
      await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS))
      await faults.run(plan, options.minutes * 60_000)
      print(`the last fault is mended (${faults.skipped} found nothing to hurt); now everything has to come to its end`)
      await workload.stop()
      await Promise.all(lookers.map((looker) => looker.stop()))
      await final.waitUntilQuiet(options.quietMs)
      final.judgeProcesses()
      await final.judgeAll()
      await judgeStored(cluster, secrets, findings)
      api.close()
      await Promise.all(watchers.map((watcher) => watcher.stop()))
    } finally {
      clearInterval(progress)
      faults.stop()
    }
    await cluster.stopWorkers()
    const left = processesOf(cluster.run).filter(({ attempt }) => attempt !== '')
    findings.check(
      'no-leftovers',
      left.map(({ pid, command, attempt }) => `process ${pid} of attempt ${attempt} outlives its worker: ${command}`),
    )
    const isWrong = findings.totalViolations > 0
    const keptLogs = isWrong || options.keep ? cluster.keepLogs() : undefined
    isOver = true
    await cluster.stop({ keep: options.keep })
    return {
      options,
      startedAt,
      tookMs: Date.now() - startedAt.getTime(),
      faults: kinds.map(({ name, what }) => ({ name, what, count: faults.countOf(name) })),
      missing,
      findings,
      runs: ledger.size,
      logStates: logs.states,
      followed: followers.finished,
      answered: api.answered,
      away: api.away,
      keptLogs,
    }
  } finally {
    if (!isOver) await cluster.stop({ keep: true })
  }
}

function describeViolation({ promise, at, what, faults }: Violation): string {
  return `VIOLATION ${at.toISOString()} ${promise}: ${what}${faults.length === 0 ? '' : `\n  around it: ${faults.join('\n             ')}`}`
}
