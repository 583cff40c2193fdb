/** `::group::Title` and `::endgroup::` as GitHub Actions has them, `##[group]` as older tools write them. */
const START = /^(?:::group::|##\[group\])(.*)$/
const END = /^(?:::endgroup::|##\[endgroup\])/
/** What finds all of them by search; RE2. */
export const GROUP_PATTERN = '^(::|##\\[)(end)?group(::|\\])'

export type GroupMark = { n: number; title: string | undefined }
/** Lines (start, end) belong to the group; `end` is exclusive. */
export type Group = { start: number; end: number; title: string }

/** The mark that a line (as it reads) is: with a title it begins a group, without it ends one. */
export function groupMark(n: number, text: string): GroupMark | undefined {
  const first = text.charCodeAt(0)
  if (first !== 58 && first !== 35) return undefined
  const start = START.exec(text)
  if (start !== null) return { n, title: start[1] ?? '' }
  return END.test(text) ? { n, title: undefined } : undefined
}

/** Groups do not nest: a new one ends the one before. One that is open reaches to the end. */
export function groupsOf(marks: readonly GroupMark[], total: number): Group[] {
  const groups: Group[] = []
  let open: Group | undefined
  for (const { n, title } of marks) {
    if (open !== undefined) {
      open.end = title === undefined ? n + 1 : n
      open = undefined
    }
    if (title === undefined) continue
    open = { start: n, end: total, title }
    groups.push(open)
  }
  return groups
}
