type Permit = { _id: { job: string; slot: number }; instanceId: string; attempt?: number; since: Date }
type Wish = { instanceId: string; attempt: number; maxConcurrent: number }
/** `granted`: wishes from the first on that are fulfilled once the rest of the plan is carried out. */
export type PermitPlan<P extends Permit> = { granted: number; renew: { permit: P; attempt: number }[]; take: { slot: number; wish: Wish }[] }

/** Which permits of a job its instances get, in their order: none is passed over for a later one. */
export function planPermits<P extends Permit>(permits: readonly P[], wishes: readonly Wish[], renewBefore: Date): PermitPlan<P> {
  const own = new Map(permits.map((permit) => [permit.instanceId, permit]))
  const isTaken = new Set(permits.map(({ _id }) => _id.slot))
  const plan: PermitPlan<P> = { granted: 0, renew: [], take: [] }
  let slot = 0
  for (const wish of wishes) {
    const permit = own.get(wish.instanceId)
    if (permit !== undefined) {
      if (permit.attempt !== wish.attempt || permit.since < renewBefore) plan.renew.push({ permit, attempt: wish.attempt })
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
