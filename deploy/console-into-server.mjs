// Before the server is packed: its package serves the console, which is built in a folder of its own.
import { cpSync, existsSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const CONSOLE = fileURLToPath(new URL('../console/dist', import.meta.url))
const TARGET = fileURLToPath(new URL('../server/dist/bundle/console', import.meta.url))

if (!existsSync(CONSOLE)) {
  process.stderr.write('The console is not built: run `npm run build` first\n')
  process.exit(1)
}
rmSync(TARGET, { recursive: true, force: true })
cpSync(CONSOLE, TARGET, { recursive: true })
