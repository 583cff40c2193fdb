import { Injectable } from '@nestjs/common'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { FINISHED_STATUSES } from '@jobtrail/shared/domain/statuses'

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

const CHUNK_RESULTS = ['ok', 'dup', 'busy', 'conflict', 'refused']

/** Every metric of a server, by what it measures; `/metrics` prints them. */
@Injectable()
export class Metrics {
  readonly registry = new Registry()

  /** Routes name namespaces, groups and handlers: not for everybody who reaches the port. */
  namesRoutes = false

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'jobtrail_' })
    // A rate of something that never happened is 0, not unknown.
    for (const result of CHUNK_RESULTS) this.logChunks.inc({ result }, 0)
    for (const status of FINISHED_STATUSES) this.instancesEnded.inc({ status }, 0)
  }

  readonly instancesByStatus = this.gauge('jobtrail_instances', 'Unfinished instances of the cluster, by status; told by one server', ['status'])
  readonly queueDepth = this.gauge(
    'jobtrail_queue_depth',
    'Waiting instances, also those that are not due yet, counted up to 10000 a route, by route where /metrics needs a token; told by one server',
    ['route'],
  )
  readonly instancesCreated = this.counter('jobtrail_instances_created_total', 'Instances made', ['cause'])
  readonly instancesEnded = this.counter(
    'jobtrail_instances_ended_total',
    'Instances whose end this server stored, by status; one that is retried by hand counts at each of its ends',
    ['status'],
  )
  readonly outcomesPending = this.gauge(
    'jobtrail_outcomes_pending',
    'Ended runs from which something still has to follow, counted up to 10000; told by one server',
  )
  readonly outcomes = this.counter('jobtrail_outcomes_total', 'What followed from ends of runs, by kind and whether it was done or failed, to be tried again', [
    'kind',
    'result',
  ])
  readonly attemptsFinished = this.counter('jobtrail_attempts_finished_total', 'Attempts ended, by status', ['status'])
  readonly fireDelay = this.histogram('jobtrail_fire_delay_seconds', 'Scheduled time to instance stored; early ones count as 0')
  readonly dispatchDelay = this.histogram('jobtrail_dispatch_delay_seconds', 'Due to accepted by a worker')
  readonly logLines = this.counter('jobtrail_log_lines_total', 'Log lines stored')
  readonly logBytes = this.counter('jobtrail_log_bytes_total', 'Log bytes stored, as the process wrote them')
  readonly logStoredBytes = this.counter('jobtrail_log_stored_bytes_total', 'Log bytes stored, compressed')
  readonly logChunks = this.counter('jobtrail_log_chunks_total', 'Log chunks by result', ['result'])
  readonly logLag = this.histogram('jobtrail_log_lag_seconds', 'Chunk received to stored')
  readonly logChunkReads = this.counter('jobtrail_log_chunk_reads_total', 'Log chunks read from MongoDB')
  readonly removedRuns = this.counter('jobtrail_retention_runs_removed_total', 'Runs removed by retention')
  readonly expiredLogs = this.counter('jobtrail_retention_logs_removed_total', 'Log streams whose lines were removed by retention')
  readonly expiredLines = this.counter('jobtrail_retention_log_lines_removed_total', 'Log lines removed by retention')
  readonly expiredBytes = this.counter('jobtrail_retention_log_bytes_removed_total', 'Log bytes removed by retention, as the process wrote them')
  readonly unsealedStreams = this.gauge(
    'jobtrail_log_streams_unsealed',
    'Log streams that are not sealed: open ones whose attempt has ended, and interrupted ones',
    ['state'],
  )
  readonly followers = this.gauge('jobtrail_log_followers', 'Open follow requests on this server')
  readonly connectedWorkers = this.gauge('jobtrail_workers_connected', 'Workers connected to this server')
  readonly freeSlots = this.gauge('jobtrail_slots_free', 'Free slots of the workers connected to this server')
  readonly badMessages = this.counter('jobtrail_worker_messages_refused_total', 'Worker messages refused', ['event'])
  readonly httpRequests = this.histogram('jobtrail_http_request_seconds', 'HTTP requests', ['method', 'status'])

  /** By route where that may be told, else their sum. */
  setQueueDepths(depths: readonly { route: string; depth: number }[]): void {
    this.queueDepth.reset()
    if (this.namesRoutes) for (const { route, depth } of depths) this.queueDepth.set({ route }, depth)
    else
      this.queueDepth.set(
        {},
        depths.reduce((sum, { depth }) => sum + depth, 0),
      )
  }

  private counter<L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] })
  }

  private gauge<L extends string>(name: string, help: string, labelNames: L[] = []): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] })
  }

  private histogram<L extends string>(name: string, help: string, labelNames: L[] = []): Histogram<L> {
    return new Histogram({ name, help, labelNames, buckets: SECONDS, registers: [this.registry] })
  }
}
