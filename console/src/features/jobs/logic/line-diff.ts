/** `old` and `new`: line numbers from 1 in either text; absent where the line is only in the other. */
export type DiffLine = { kind: 'same' | 'removed' | 'added'; text: string; old?: number; new?: number }
/** A run of lines to show, or a number of equal ones that were left out. */
export type DiffHunk = { kind: 'lines'; lines: DiffLine[] } | { kind: 'skipped'; count: number }

/** Above this many differing lines the shortest way is not looked for: all of the old, then all of the new. */
const MAX_EDITS = 800

/** A shortest line diff (Myers), with equal lines at both ends set aside first. */
export function lineDiff(before: readonly string[], after: readonly string[]): DiffLine[] {
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1
  let tail = 0
  while (tail < before.length - head && tail < after.length - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1
  const kinds = [
    ...Array<DiffLine['kind']>(head).fill('same'),
    ...middle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...Array<DiffLine['kind']>(tail).fill('same'),
  ]
  let old = 0
  let now = 0
  return kinds.map((kind): DiffLine => {
    switch (kind) {
      case 'same':
        return { kind, text: before[old] ?? '', old: (old += 1), new: (now += 1) }
      case 'removed':
        return { kind, text: before[old] ?? '', old: (old += 1) }
      case 'added':
        return { kind, text: after[now] ?? '', new: (now += 1) }
    }
  })
}

/** Only what changed, with `context` equal lines around it. */
export function hunksOf(lines: readonly DiffLine[], context = 3): DiffHunk[] {
  const isNear = lines.map(() => false)
  lines.forEach((line, i) => {
    if (line.kind !== 'same') isNear.fill(true, Math.max(0, i - context), i + context + 1)
  })
  const hunks: DiffHunk[] = []
  lines.forEach((line, i) => {
    const last = hunks.at(-1)
    if (isNear[i] === true) {
      if (last?.kind === 'lines') last.lines.push(line)
      else hunks.push({ kind: 'lines', lines: [line] })
    } else if (last?.kind === 'skipped') last.count += 1
    else hunks.push({ kind: 'skipped', count: 1 })
  })
  return hunks
}

function middle(before: readonly string[], after: readonly string[]): DiffLine['kind'][] {
  const trace = shortestTrace(before, after)
  if (trace === undefined) return [...before.map(() => 'removed' as const), ...after.map(() => 'added' as const)]
  const kinds: DiffLine['kind'][] = []
  let x = before.length
  let y = after.length
  for (let d = trace.length - 1; d >= 0; d -= 1) {
    const reached = trace[d]
    const k = x - y
    const isDown = k === -d || (k !== d && at(reached, k - 1) < at(reached, k + 1))
    // Where the equal lines after this edit begin.
    const start = d === 0 ? 0 : isDown ? at(reached, k + 1) : at(reached, k - 1) + 1
    for (; x > start; x -= 1, y -= 1) kinds.push('same')
    if (d === 0) break
    kinds.push(isDown ? 'added' : 'removed')
    if (isDown) y -= 1
    else x -= 1
  }
  return kinds.toReversed()
}

/** For each number of edits the furthest x on each diagonal before it; undefined when there are too many. */
function shortestTrace(before: readonly string[], after: readonly string[]): Map<number, number>[] | undefined {
  const trace: Map<number, number>[] = []
  const reached = new Map<number, number>([[1, 0]])
  for (let d = 0; d <= Math.min(MAX_EDITS, before.length + after.length); d += 1) {
    trace.push(new Map(reached))
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && at(reached, k - 1) < at(reached, k + 1)) ? at(reached, k + 1) : at(reached, k - 1) + 1
      while (x < before.length && x - k < after.length && before[x] === after[x - k]) x += 1
      reached.set(k, x)
      if (x >= before.length && x - k >= after.length) return trace
    }
  }
  return undefined
}

const at = (reached: Map<number, number> | undefined, k: number): number => reached?.get(k) ?? -1
