import { Injectable } from '@nestjs/common'
import type { InstanceDocument } from '../instance-document.js'

/** A run that has ended, as far as what follows from it is concerned. */
export type EndedRun = Pick<InstanceDocument, '_id' | 'namespace' | 'jobId' | 'jobName' | 'revision' | 'status' | 'attempt'> & { finishedAt: Date }

/**
 * Does what follows from the ends of these runs; resolves when all of it is stored. It is called again with the same runs after a crash or a failure, maybe on two servers at
 * once, so it has to find out by a key what it has done already. A rejection means that none counts as done.
 */
export type ConsumeOutcomes = (runs: readonly EndedRun[]) => Promise<void>

/** Who does what follows from the end of a run, by kind. Features register here at start; runs name the kinds from their birth (`InstanceDocument.outcomes`). */
@Injectable()
export class OutcomeConsumers {
  private readonly consumers = new Map<string, ConsumeOutcomes>()

  register(kind: string, consume: ConsumeOutcomes): void {
    if (this.consumers.has(kind)) throw new Error(`Two features want to do what follows as "${kind}"`)
    this.consumers.set(kind, consume)
  }

  get(kind: string): ConsumeOutcomes | undefined {
    return this.consumers.get(kind)
  }
}
