export type ScriptLanguage = 'shell' | 'python' | 'javascript' | 'ruby' | 'perl' | 'powershell' | 'text'

const PROGRAMS: readonly [RegExp, ScriptLanguage][] = [
  [/^(ba|z|k|da|a|fi)?sh$/, 'shell'],
  [/^python[\d.]*$/, 'python'],
  [/^(node|nodejs|deno|bun)$/, 'javascript'],
  [/^ruby[\d.]*$/, 'ruby'],
  [/^perl[\d.]*$/, 'perl'],
  [/^pwsh$|^powershell$/, 'powershell'],
]

/** By the interpreter, which is /bin/sh unless named; the first line of the script tells what it is really for. */
export function scriptLanguage(interpreter: string | undefined, script: string): ScriptLanguage {
  const shebang = /^#!\s*(\S+)(?:\s+(\S+))?/.exec(script)
  const command = interpreter === undefined || interpreter === '' ? undefined : interpreter
  const named = command ?? (shebang?.[1]?.endsWith('/env') === true ? shebang[2] : shebang?.[1]) ?? '/bin/sh'
  const program = named.split('/').at(-1) ?? named
  return PROGRAMS.find(([pattern]) => pattern.test(program))?.[1] ?? 'text'
}
