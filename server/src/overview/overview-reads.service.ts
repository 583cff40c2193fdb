import { Injectable } from '@nestjs/common'
import type { InstanceStatus } from '@jobtrail/protocol/domain/statuses'
import { NamespacesService } from '../auth/namespaces/namespaces.service.js'
import type { LogVolumes, NamespaceFilter, RunCounts, Span } from '../engine/domain/run-counts.js'
import { RunStatistics } from '../engine/run-statistics.service.js'
import type { JobDocument } from '../jobs/domain/job.js'
import { JobQueriesService } from '../jobs/job-queries.service.js'
import { LogStreamsService } from '../logs/log-streams.service.js'

const TOP = 8
const LATE_MS = 30_000

/** What the overview asks of the features that know it. */
@Injectable()
export class OverviewReads {
  constructor(
    private readonly statistics: RunStatistics,
    private readonly jobs: JobQueriesService,
    private readonly streams: LogStreamsService,
    private readonly namespaces: NamespacesService,
  ) {}

  count(namespaces: NamespaceFilter, status: InstanceStatus): Promise<number> {
    return this.statistics.count(namespaces, status)
  }

  runs(namespaces: NamespaceFilter, span: Span): Promise<RunCounts> {
    return this.statistics.runs(namespaces, span)
  }

  /** Each namespace is named: an index by namespace leads to what was logged. */
  async logVolume(namespaces: NamespaceFilter, span: Span): Promise<LogVolumes> {
    return this.statistics.logVolume({ namespace: namespaces.namespace ?? { $in: await this.namespaces.names() } }, span)
  }

  nextFires(namespaces: NamespaceFilter): Promise<Pick<JobDocument, '_id' | 'name' | 'namespace' | 'nextFireAt'>[]> {
    return this.jobs.nextFires(namespaces, TOP)
  }

  /** Logs that should be whole by now and are not. */
  logTrouble(nowMs: number): Promise<{ late: number; interrupted: number }> {
    return this.streams.countTrouble(new Date(nowMs - LATE_MS))
  }
}
