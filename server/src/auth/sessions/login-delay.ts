/** So many wrong passwords cost nothing but the time to check them: people mistype. */
const FREE_FAILURES = 5
const FIRST_DELAY_MS = 2_000
const LONGEST_DELAY_MS = 60_000
const FREE_FAILURES_OF_ADDRESS = 100
const DELAY_OF_ADDRESS_MS = 1_000
const FREE_FAILURES_OF_NAME = 30
const DELAY_OF_NAME_MS = 3_000

/** How long after the last of so many failures the next try has to wait: for one name from one address, or one device. */
export function delayAfter(failures: number): number {
  return failures < FREE_FAILURES ? 0 : Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(20, failures - FREE_FAILURES))
}

/** The same for all names from one address. It stays short: many may share the address. */
export const delayOfAddressAfter = (failures: number): number => (failures < FREE_FAILURES_OF_ADDRESS ? 0 : DELAY_OF_ADDRESS_MS)

/** The same for one name from all addresses: who can pretend to come from elsewhere each time still gets one guess in a few seconds. It stays short: strangers cause it. */
export const delayOfNameAfter = (failures: number): number => (failures < FREE_FAILURES_OF_NAME ? 0 : DELAY_OF_NAME_MS)
