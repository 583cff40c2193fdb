import { expect, test } from 'vitest'
import { linksIn, piecesOf } from './pieces'

const textOf = (links: ReturnType<typeof linksIn>) => links.map(({ href }) => href)

test('only http and https addresses are links, without the punctuation around them', () => {
  expect(textOf(linksIn('see https://a.example/x?y=1, (http://b.example/z). javascript:alert(1) data:text/html,x ftp://c'))).toEqual([
    'https://a.example/x?y=1',
    'http://b.example/z',
  ])
  expect(textOf(linksIn('https://en.example/wiki/A_(b)'))).toEqual(['https://en.example/wiki/A_(b)'])
})

test('hits and links are cut out of segments, across their borders', () => {
  const red = { fg: 'red' }
  const pieces = piecesOf(
    [
      { text: 'ab', style: {} },
      { text: 'cd https://x.example', style: red },
    ],
    [[1, 3]],
  )
  expect(pieces).toEqual([
    { text: 'a', style: {} },
    { text: 'b', style: {}, hit: true },
    { text: 'c', style: red, hit: true },
    { text: 'd ', style: red },
    { text: 'https://x.example', style: red, href: 'https://x.example/' },
  ])
})

test('a hit at the beginning and at the end', () => {
  expect(
    piecesOf(
      [{ text: 'abc', style: {} }],
      [
        [0, 1],
        [2, 3],
      ],
    ).map(({ text, hit }) => [text, hit]),
  ).toEqual([
    ['a', true],
    ['b', undefined],
    ['c', true],
  ])
})
