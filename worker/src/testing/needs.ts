import type { TestContext } from 'vitest'

/** What a test needs of the machine. Where that is missing, the test is skipped and the report says why. */
export const needsLinux = ({ skip }: TestContext): void => skip(process.platform !== 'linux', 'needs /proc, which only Linux has')

export const needsRoot = ({ skip }: TestContext): void => skip(process.getuid?.() !== 0, 'needs root')

export const needsOrdinaryUser = ({ skip }: TestContext): void => skip(process.getuid?.() === 0, 'root may do everything: needs an ordinary user')
