import type { ClientSession } from 'mongodb'

/** What is asked of what is in a namespace before it is removed. Implemented by `jobs/`, which knows namespaces: they cannot know it. */
export abstract class NamespaceContents {
  /** Within the transaction that removes the namespace. */
  abstract hasJobs(namespace: string, session: ClientSession): Promise<boolean>
}
