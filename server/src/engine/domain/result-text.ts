/** Whether `text` is part of an instance's error or of its result, any case: of a result that is text as it is, of any other as compact JSON. */
export function hasText(text: string, error: string | null, result: unknown, resultText?: string): boolean {
  const wanted = text.toLowerCase()
  return [error, resultText ?? textOf(result)].some((each) => each !== null && each.toLowerCase().includes(wanted))
}

function textOf(result: unknown): string | null {
  if (result === null || result === undefined) return null
  return typeof result === 'string' ? result : JSON.stringify(result)
}
