/** What logs have to know of the other servers. Implemented by `cluster/`. */
export abstract class OlderServers {
  /** Whether a server runs that stores data in an older way than this one. */
  abstract areThere(): Promise<boolean>
}
