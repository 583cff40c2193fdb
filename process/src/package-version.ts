import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const Manifest = z.object({ version: z.string() })

/** The version in the nearest package.json above a module, which may be compiled or bundled. `module`: its `import.meta.url`. */
export function packageVersion(module: string): string {
  for (let folder = new URL('.', module); ; folder = new URL('..', folder)) {
    const file = new URL('package.json', folder)
    if (existsSync(file)) return Manifest.parse(JSON.parse(readFileSync(file, 'utf8'))).version
    if (folder.pathname === '/') throw new Error(`there is no package.json above ${fileURLToPath(module)}`)
  }
}
