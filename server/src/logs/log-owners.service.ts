import { Injectable } from '@nestjs/common'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { InstanceReads } from '../engine/instance-reads.service.js'
import type { LogOwner } from '../engine/ports/attempt-logs.js'
import type { LogRef } from './log-ref.js'

type Known = { key: AttemptKey; owner?: LogOwner }

/** Says whose logs are, also where their records do not: former versions wrote records without. */
@Injectable()
export class LogOwners {
  constructor(private readonly instances: InstanceReads) {}

  /** Answers in the order given; undefined where the run was removed. */
  async refsOf(records: readonly Known[]): Promise<(LogRef | undefined)[]> {
    const missing = await this.instances.ownersOf(records.flatMap(({ key, owner }) => (owner === undefined ? key.instanceId : [])))
    return records.map(({ key, owner = missing.get(key.instanceId) }) => (owner === undefined ? undefined : { ...key, ...owner }))
  }
}
