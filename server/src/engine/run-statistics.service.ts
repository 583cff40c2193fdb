import { Injectable } from '@nestjs/common'
import type { InstanceStatus } from '@jobtrail/protocol/domain/statuses'
import type { LogVolumes, NamespaceFilter, RunCounts, Span } from './domain/run-counts.js'
import { RunStatisticsRepository } from './run-statistics.repository.js'

/** How many runs there are, how they ended, and how much they logged. For callers who have checked rights before. */
@Injectable()
export class RunStatistics {
  constructor(private readonly repository: RunStatisticsRepository) {}

  /** Up to a bound. */
  count(namespaces: NamespaceFilter, status: InstanceStatus): Promise<number> {
    return this.repository.count(namespaces, status)
  }

  /** Of the newest runs of a span. */
  runs(namespaces: NamespaceFilter, span: Span): Promise<RunCounts> {
    return this.repository.runs(namespaces, span)
  }

  /** Of the newest ended attempts that logged something, by when they were dispatched. */
  logVolume(namespaces: Required<NamespaceFilter>, span: Span): Promise<LogVolumes> {
    return this.repository.logVolume(namespaces, span)
  }
}
