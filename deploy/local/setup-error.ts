/** Something that the user can put right (a taken port, a missing tool): shown without a stack. */
export class SetupError extends Error {
  override readonly name = 'SetupError'
}
