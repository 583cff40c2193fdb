/** When the present namespaces were made: what was recorded earlier is of former ones of the same name. Implemented by `auth/`, which records its changes here. */
export abstract class NamespaceTimes {
  abstract createdAt(namespaces: readonly string[]): Promise<Map<string, Date>>
}
