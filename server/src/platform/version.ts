import { packageVersion } from '@jobtrail/process/package-version'

/** Version of this server, from its package. */
export const VERSION = packageVersion(import.meta.url)
