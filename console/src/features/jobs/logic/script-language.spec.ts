import { expect, it } from 'vitest'
import { scriptLanguage } from './script-language'

it.each([
  [undefined, 'echo', 'shell'],
  ['/usr/bin/python3.12', '', 'python'],
  ['node', '', 'javascript'],
  [undefined, '#!/usr/bin/env python3\nprint(1)', 'python'],
  [undefined, '#!/bin/bash -e\n', 'shell'],
  ['', '#!/usr/bin/perl', 'perl'],
  ['/opt/odd', '', 'text'],
])('interpreter %s with script %j is highlighted as %s', (interpreter, script, language) => {
  expect(scriptLanguage(interpreter, script)).toBe(language)
})
