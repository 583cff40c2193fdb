import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The published package has the console beside the bundled server. */
const FOLDER = fileURLToPath(new URL('./console', import.meta.url))

/** The folder of the console that came with this server, if one did. */
export const packagedConsole = (): string | undefined => (existsSync(join(FOLDER, 'index.html')) ? FOLDER : undefined)
