import { describe, expect, it } from 'vitest'
import { definitionLines } from './definition-text'

describe('the text of a definition', () => {
  it('is pretty JSON', () => {
    const value = { name: 'a', tags: ['x', 'y'], retry: { maxRetries: 2 }, params: {}, list: [], nothing: null }
    expect(definitionLines(value).join('\n')).toBe(JSON.stringify(value, null, 2))
  })

  it('has each line of a script on its own', () => {
    expect(definitionLines({ script: 'echo 1\necho 2', cwd: undefined, kind: 'shell' })).toEqual([
      '{',
      '  "script": """',
      '    echo 1',
      '    echo 2',
      '  """,',
      '  "kind": "shell"',
      '}',
    ])
  })
})
