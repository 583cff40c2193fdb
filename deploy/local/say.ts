/** Prints one line for the user. `npm start` and the tests report each step with it. */
export function say(text: string): void {
  process.stdout.write(`jobtrail: ${text}\n`)
}
