/** The smallest UUIDv7 of a time: IDs sort by time, so a bound on the ID is a bound on the time of creation. */
export function idAt(time: string | number): string {
  const hex = Math.max(0, Math.floor(typeof time === 'number' ? time : Date.parse(time)))
    .toString(16)
    .padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7000-8000-000000000000`
}
