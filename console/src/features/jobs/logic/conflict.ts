import { DEFINITION_MEMBERS, type DefinitionMember, isSame, type JobDraft } from './job-draft'

/** One member that someone changed: `mine` only, `theirs` only, or `both` in different ways. */
export type Difference = { member: DefinitionMember; by: 'mine' | 'theirs' | 'both' }
export type Side = 'mine' | 'theirs'

/** Between what both started from and what each made of it. Changed alike by both is no difference. */
export function differences(base: JobDraft, mine: JobDraft, theirs: JobDraft): Difference[] {
  return DEFINITION_MEMBERS.flatMap((member): Difference[] => {
    if (isSame(mine[member], theirs[member])) return []
    const isMine = !isSame(base[member], mine[member])
    const isTheirs = !isSame(base[member], theirs[member])
    return [{ member, by: isMine && isTheirs ? 'both' : isMine ? 'mine' : 'theirs' }]
  })
}

/** What was changed on one side only is taken from that side; `choices` decide the rest, and may overrule. */
export function merge(base: JobDraft, mine: JobDraft, theirs: JobDraft, choices: Partial<Record<DefinitionMember, Side>>): JobDraft {
  const taken = differences(base, mine, theirs)
    .filter(({ member, by }) => (choices[member] ?? (by === 'theirs' ? 'theirs' : 'mine')) === 'mine')
    .map(({ member }) => [member, mine[member]])
  return { ...theirs, ...Object.fromEntries(taken) }
}
