/**
 * Which environment variables params become: `backup-dir` is JOBTRAIL_PARAM_BACKUP_DIR. Only names of ASCII letters, digits, dots, dashes and underscores become one:
 * others have no spelling that would be theirs alone, and are in the params file only. Neither does either of two names that would be the same variable.
 */
const HAS_VARIABLE = /^[A-Za-z0-9._-]+$/

const variableOf = (name: string): string => `JOBTRAIL_PARAM_${name.toUpperCase().replace(/[.-]/g, '_')}`

/** `members`: the JSON of each param. Texts are given as they are, all else as JSON. `clashes`: names that would be a variable of another one too, with that other name. */
export function paramVariables(members: ReadonlyMap<string, string>): {
  values: Record<string, string>
  names: Map<string, string>
  clashes: [name: string, other: string][]
} {
  const byVariable = new Map<string, string[]>()
  for (const name of members.keys()) if (HAS_VARIABLE.test(name)) byVariable.set(variableOf(name), [...(byVariable.get(variableOf(name)) ?? []), name])
  const values: Record<string, string> = {}
  const names = new Map<string, string>()
  const clashes: [string, string][] = []
  for (const [variable, [name = '', ...others]] of byVariable) {
    for (const other of others) clashes.push([other, name])
    if (others.length > 0) continue
    const json = members.get(name) ?? 'null'
    values[variable] = json.startsWith('"') ? (JSON.parse(json) as string) : json
    names.set(variable, name)
  }
  return { values, names, clashes }
}
