/** What one look at the host found. `weaker`: the worker works, but with less than it could have; `missing`: it does not work. */
export type Finding = { state: 'ok' | 'weaker' | 'missing'; what: string; text: string }

export const ok = (what: string, text: string): Finding => ({ state: 'ok', what, text })
export const weaker = (what: string, text: string): Finding => ({ state: 'weaker', what, text })
export const missing = (what: string, text: string): Finding => ({ state: 'missing', what, text })

/** One line each. */
export const printFindings = (findings: readonly Finding[]): string => findings.map(({ state, what, text }) => `${state.padEnd(8)} ${what}: ${text}\n`).join('')
