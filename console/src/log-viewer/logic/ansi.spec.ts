import { expect, test } from 'vitest'
import { applySgr, harmless, parseAnsi } from './ansi'

const ESC = '\u001b'

test('colours begin and end where they are said to', () => {
  expect(parseAnsi(`a ${ESC}[1;31mred${ESC}[0m b`).segments).toEqual([
    { text: 'a ', style: {} },
    { text: 'red', style: { bold: true, fg: 'var(--ansi-1)' } },
    { text: ' b', style: {} },
  ])
})

test('256 colours, true colours, bright ones and backgrounds', () => {
  expect(applySgr({}, '38;5;196').fg).toBe('rgb(255 0 0)')
  expect(applySgr({}, '38;5;244').fg).toBe('rgb(128 128 128)')
  expect(applySgr({}, '48;2;1;2;3').bg).toBe('rgb(1 2 3)')
  expect(applySgr({}, '38;2;1;2;3;1')).toEqual({ fg: 'rgb(1 2 3)', bold: true })
  expect(applySgr({}, '95;104')).toEqual({ fg: 'var(--ansi-13)', bg: 'var(--ansi-12)' })
  expect(applySgr({ bold: true, fg: 'x' }, '22;39')).toEqual({})
  expect(applySgr({ bold: true }, '')).toEqual({})
})

test('cursor movements, titles and broken sequences leave no trace', () => {
  expect(
    parseAnsi(`${ESC}]0;title\u0007a${ESC}[2Kb${ESC}[10;5Hc${ESC}(Bd`)
      .segments.map(({ text }) => text)
      .join(''),
  ).toBe('abcd')
})

test('text behind a sequence without an end is shown', () => {
  const shown = (raw: string): string =>
    parseAnsi(raw)
      .segments.map(({ text }) => text)
      .join('')
  expect(shown(`${ESC}]0;no end, an error`)).toBe('0;no end, an error')
  expect(shown(`before ${ESC}[`)).toBe('before ')
})

test('a line that overwrote itself shows its last state, and where that begins', () => {
  expect(parseAnsi('10%\r50%\r100%')).toEqual({ segments: [{ text: '100%', style: {} }], start: 8 })
  expect(parseAnsi(`${ESC}[32m10%\r20%`)).toEqual({ segments: [{ text: '20%', style: { fg: 'var(--ansi-2)' } }], start: 4 })
  expect(parseAnsi('dos line\r').segments).toEqual([{ text: 'dos line', style: {} }])
  expect(parseAnsi('1%\r2%', 'all').segments[0]?.text).toBe('1%␍2%')
})

test('control characters and turned text are shown, not obeyed', () => {
  expect(harmless('a\u0007b\u0000c\td\u202ee\u007f')).toBe('a␇b␀c\td␦e␡')
})
