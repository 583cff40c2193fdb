import type { JobDefinition } from '@jobtrail/api/jobs'

/** What a run is made from. It holds the secrets, sealed: it never goes into an answer. */
export type RunDefinition = JobDefinition & { namespace: string }
export type RevisionRef = { jobId: string; revision: number }

/** The definitions that runs are made from. Implemented by `jobs/`. */
export abstract class RunDefinitions {
  /** In the order of `refs`, also of removed jobs; undefined for those that do not exist. */
  abstract find(refs: readonly RevisionRef[]): Promise<(RunDefinition | undefined)[]>
  /** The secrets of a definition of the job, to be handed to a worker. Throws UnopenableSecretError. */
  abstract openSecrets(jobId: string, definition: RunDefinition): Record<string, string>
}
