const MAX_NAMED = 3
const MAX_PATH_LENGTH = 100

/** What of a JavaScript value JSON has no form for and is written as something else or left out, for people; undefined when it is written as it is. */
export function changesOfJson(value: unknown): string | undefined {
  const changes: string[] = []
  // The way to the member that is being written: its holders, and their names in one another.
  const holders: unknown[] = []
  const names: string[] = []
  JSON.stringify(value, function (this: unknown, name: string, member: unknown) {
    while (holders.length > 0 && holders.at(-1) !== this) {
      holders.pop()
      names.pop()
    }
    const isInList = Array.isArray(this)
    const change = changeOf(member, isInList)
    if (change !== undefined) changes.push(`${pathOf([...names, isInList ? `[${name}]` : name])} ${change}`)
    if (typeof member === 'object' && member !== null) {
      holders.push(member)
      names.push(isInList ? `[${name}]` : name)
    }
    return member
  })
  return changes.length === 0 ? undefined : listOf(changes)
}

/** What becomes of a value, after its `toJSON`, that is not what it was. */
function changeOf(value: unknown, isInList: boolean): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `is ${value} and became null`
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol')
    return `is ${value === undefined ? 'undefined' : `a ${typeof value}`} and ${isInList ? 'became null' : 'was left out'}`
  if (typeof value !== 'object' || value === null) return undefined
  // Of a Map, an Error, a RegExp or a Promise only its own members are written, and it has none.
  const kind = Object.prototype.toString.call(value).slice(8, -1)
  return ['Object', 'Array', 'Number', 'String', 'Boolean'].includes(kind) ? undefined : `is of the kind ${kind}, of which only the members were written`
}

/** `rows[3].total`; "it" for the value itself. */
function pathOf(names: readonly string[]): string {
  const path = names.reduce((before, name) => before + (name.startsWith('[') || before === '' ? name : `.${name}`), '')
  if (path === '') return 'it'
  return path.length > MAX_PATH_LENGTH ? `${path.slice(0, MAX_PATH_LENGTH)}…` : path
}

function listOf(changes: readonly string[]): string {
  const more = changes.length - MAX_NAMED
  return [...changes.slice(0, MAX_NAMED), ...(more > 0 ? [`${more.toLocaleString('en')} more`] : [])].join(', ')
}
