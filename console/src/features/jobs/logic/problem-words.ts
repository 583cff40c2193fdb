/** What a message of the schema or the server means, by name, so that it can be said in the user's language. */
export type ProblemWords = { key: string; values: Record<string, string> }

const PATTERNS: readonly [RegExp, string][] = [
  [/^must be letters, digits, dot, dash or underscore/, 'name'],
  [/^has (?<count>\d+) fields; write 5/, 'cronFields'],
  [/^the field (?<field>\w+) cannot be "(?<part>.*)": write \*, or values of (?<allowed>.*), lists/, 'cronField'],
  [/^never fires$/, 'neverFires'],
  [/^"(?<zone>.*)" is not an IANA time zone/, 'timeZone'],
  [/^give either script or command$/, 'scriptOrCommand'],
  [/^must be a name of an environment variable$/, 'variable'],
  [/^must have at least 4 characters that are not blank/, 'shortSecret'],
  [/^Too small: expected string to have >=4 characters$/, 'shortSecret'],
  [/^Too small: expected string to have >=1 characters$/, 'required'],
  [/^Invalid input: expected .*, received undefined$/, 'required'],
  [/^Invalid ISO datetime$/, 'time'],
  [/^Invalid UUID$/, 'job'],
  [/^there is no such job in namespace (?<namespace>.+)$/, 'noJob'],
  [/^a job cannot run after itself$/, 'afterItself'],
  [/^would make a circle: (?<circle>.+)$/, 'circle'],
  [/^Too small: expected (?:number|int) to be >=(?<min>-?[\d.]+)$/, 'atLeast'],
  [/^Too big: expected (?:number|int) to be <=(?<max>-?[\d.]+)$/, 'atMost'],
  [/^Too big: expected string to have <=(?<max>\d+) characters$/, 'tooLong'],
  [/^is taken in this namespace$/, 'nameTaken'],
  [/^unknown field/, 'unknown'],
  [/^is not JSON: (?<message>.*)$/s, 'json'],
  [/^is empty, not a JSON object$/, 'jsonEmpty'],
  [/^is not a JSON object$/, 'jsonObject'],
  [/^has [\d,]+ bytes, the limit is 65,536$/, 'paramsSize'],
  [/^is nested .* the limit is 100/, 'paramsDepth'],
]

/** Undefined for a message that says something particular: it is shown as it is. */
export function problemWords(message: string): ProblemWords | undefined {
  for (const [pattern, key] of PATTERNS) {
    const match = pattern.exec(message)
    if (match !== null) return { key, values: { ...match.groups } }
  }
  return undefined
}
