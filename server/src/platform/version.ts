import { packageVersion } from '@jobtrail/shared/process/package-version'

/** Version of this server, from its package. */
export const VERSION = packageVersion(import.meta.url)

/**
 * How this server stores data; servers tell each other. Raise it when a server writes what older ones do not, so that what must wait until none of those is left can wait for it.
 * 2: records of logs say whose they are. Servers before that say nothing.
 * 3: keys of logs with instance IDs of 16 bytes are understood.
 */
export const DATA_VERSION = 3
