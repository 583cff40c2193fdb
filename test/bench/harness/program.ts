import { fileURLToPath } from 'node:url'

/** The path of a compiled program of `bench/programs`. */
export function programPath(name: string): string {
  return fileURLToPath(new URL(`../programs/${name}.js`, import.meta.url))
}
