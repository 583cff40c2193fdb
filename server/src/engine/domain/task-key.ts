import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'

/** The unit of dispatch: what is queued, placed, claimed, retried and settled. */
export type TaskKey = Pick<AttemptKey, 'instanceId' | 'task'>

/** A string form for maps. */
export const taskKeyString = ({ instanceId, task }: TaskKey): string => `${instanceId}_${task}`

/** The number of the task whose state is in the document of its instance: the only one of a plain instance. Nothing else in the server knows this number. */
const EMBEDDED = 0

export const embeddedTask = (instanceId: string): TaskKey => ({ instanceId, task: EMBEDDED })

/** Whether the state of this task is in the document of its instance, so that one filter and one update reach both. */
export const isEmbedded = ({ task }: Pick<TaskKey, 'task'>): boolean => task === EMBEDDED
