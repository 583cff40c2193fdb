import type { AttemptView, InstanceView, LogSummary, StripRun } from '@jobtrail/api/instances'
import type { AttemptDocument } from '../engine/attempt-document.js'
import type { InstanceDocument, StripDocument } from '../engine/instance-document.js'

const time = (date: Date | null | undefined): string | null => date?.toISOString() ?? null

export function instanceView(instance: InstanceDocument): InstanceView {
  return {
    id: instance._id,
    namespace: instance.namespace,
    jobId: instance.jobId,
    jobName: instance.jobName,
    revision: instance.revision,
    cause: instance.cause,
    status: instance.status,
    scheduledFor: time(instance.scheduledFor),
    createdAt: instance.createdAt.toISOString(),
    dueAt: instance.dueAt.toISOString(),
    startedAt: time(instance.startedAt),
    finishedAt: time(instance.finishedAt),
    attempt: instance.attempt,
    cancelRequestedAt: time(instance.cancelRequestedAt),
    error: instance.error,
  }
}

export function stripRun(run: StripDocument): StripRun {
  return {
    id: run._id,
    status: run.status,
    createdAt: run.createdAt.toISOString(),
    dueAt: run.dueAt.toISOString(),
    startedAt: time(run.startedAt),
    finishedAt: time(run.finishedAt),
  }
}

export function attemptView(attempt: AttemptDocument, log: LogSummary): AttemptView {
  return {
    task: attempt._id.task,
    attempt: attempt._id.attempt,
    status: attempt.status,
    workerId: attempt.workerId,
    workerName: attempt.workerName,
    dispatchedAt: attempt.dispatchedAt.toISOString(),
    startedAt: time(attempt.startedAt),
    finishedAt: time(attempt.finishedAt),
    exitCode: attempt.exitCode,
    signal: attempt.signal,
    error: attempt.error,
    progress: attempt.progress,
    log,
  }
}
