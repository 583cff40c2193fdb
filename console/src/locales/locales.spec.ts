import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ERROR_CODES } from '@jobtrail/protocol/domain/errors'
import { describe, expect, it } from 'vitest'

const HERE = import.meta.dirname
type Texts = { [key: string]: string | Texts }

/** Every text of a file by the path of its key. */
function textsOf(language: string, file: string): Map<string, string> {
  const found = new Map<string, string>()
  const walk = (texts: Texts, path: string): void => {
    for (const [key, text] of Object.entries(texts)) {
      if (typeof text === 'string') found.set(path + key, text)
      else walk(text, `${path}${key}.`)
    }
  }
  walk(JSON.parse(readFileSync(join(HERE, language, file), 'utf8')) as Texts, '')
  return found
}

const placeholders = (text: string): Set<string> => new Set([...text.matchAll(/\{\{\s*(\w+)[^}]*\}\}|<(\w+)>/g)].map(([whole]) => whole))
/** English has a text for one, which Chinese does not need. */
const withoutCount = (key: string): string => key.replace(/_(?:one|other|zero)$/, '')

// The server says its problems in English: only Chinese has texts for them.
describe.each(readdirSync(join(HERE, 'en')).filter((file) => file !== 'problems.json'))('%s', (file) => {
  const english = textsOf('en', file)
  const chinese = textsOf('zh', file)

  it('has the same texts in both languages', () => {
    expect(new Set([...chinese.keys()].map(withoutCount))).toEqual(new Set([...english.keys()].map(withoutCount)))
  })

  it('has no place in Chinese that English does not fill', () => {
    const all = new Map<string, string[]>()
    for (const [key, text] of english) all.set(withoutCount(key), [...(all.get(withoutCount(key)) ?? []), ...placeholders(text)])
    const unknown = [...chinese].flatMap(([key, text]) => [...placeholders(text)].filter((each) => all.get(withoutCount(key))?.includes(each) !== true))
    expect(unknown).toEqual([])
  })
})

it('every problem of the API has a Chinese text', () => {
  const chinese = textsOf('zh', 'problems.json')
  expect(Object.keys(ERROR_CODES).filter((code) => !chinese.has(code))).toEqual([])
})

it.each(readdirSync(join(HERE, 'zh')))('%s has Chinese punctuation in Chinese', (file) => {
  expect([...textsOf('zh', file).values()].filter((text) => /\p{Script=Han}[,;:!?]/u.test(text))).toEqual([])
})
