import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { embeddedTask, type TaskKey, taskKeyString } from './task-key.js'

/** The task that holds a permit. One that is embedded in its instance is not named: so former versions store it, and read it. */
export type PermitHolder = { instanceId: string; task?: number }
/** An attempt that wants a permit. */
export type PermitWish = { key: AttemptKey; maxConcurrent: number }
type Permit = PermitHolder & { _id: { job: string; slot: number }; attempt?: number; since: Date }
/** `granted`: wishes from the first on that are fulfilled once the rest of the plan is carried out. */
export type PermitPlan<P extends Permit> = { granted: number; renew: { permit: P; attempt: number }[]; take: { slot: number; wish: PermitWish }[] }

export const holderOf = ({ instanceId, task }: PermitHolder): TaskKey => (task === undefined ? embeddedTask(instanceId) : { instanceId, task })

/** Which permits of a job its tasks get, in their order: none is passed over for a later one. */
export function planPermits<P extends Permit>(permits: readonly P[], wishes: readonly PermitWish[], renewBefore: Date): PermitPlan<P> {
  const own = new Map(permits.map((permit) => [taskKeyString(holderOf(permit)), permit]))
  const isTaken = new Set(permits.map(({ _id }) => _id.slot))
  const plan: PermitPlan<P> = { granted: 0, renew: [], take: [] }
  let slot = 0
  for (const wish of wishes) {
    const { attempt } = wish.key
    const permit = own.get(taskKeyString(wish.key))
    if (permit !== undefined) {
      if (permit.attempt !== attempt || permit.since < renewBefore) plan.renew.push({ permit, attempt })
    } else {
      while (isTaken.has(slot)) slot++
      // The number taken counts too: slots beyond a limit that was lowered are still in use.
      if (slot >= wish.maxConcurrent || isTaken.size >= wish.maxConcurrent) break
      isTaken.add(slot)
      plan.take.push({ slot, wish })
    }
    plan.granted++
  }
  return plan
}
