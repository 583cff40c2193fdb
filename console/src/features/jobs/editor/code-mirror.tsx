import { autocompletion } from '@codemirror/autocomplete'
import { javascript } from '@codemirror/lang-javascript'
import { json, jsonParseLinter } from '@codemirror/lang-json'
import { python } from '@codemirror/lang-python'
import { StreamLanguage } from '@codemirror/language'
import { perl } from '@codemirror/legacy-modes/mode/perl'
import { powerShell } from '@codemirror/legacy-modes/mode/powershell'
import { ruby } from '@codemirror/legacy-modes/mode/ruby'
import { shell } from '@codemirror/legacy-modes/mode/shell'
import { linter, lintGutter } from '@codemirror/lint'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import { oneDark } from '@codemirror/theme-one-dark'
import { EditorView } from '@codemirror/view'
import { basicSetup } from 'codemirror'
import { useEffect, useRef } from 'react'
import type { CodeLanguage, CodeProps } from './code-editor'

const LANGUAGES: Record<CodeLanguage, () => Extension> = {
  shell: () => StreamLanguage.define(shell),
  python: () => python(),
  javascript: () => javascript(),
  ruby: () => StreamLanguage.define(ruby),
  perl: () => StreamLanguage.define(perl),
  powershell: () => StreamLanguage.define(powerShell),
  json: () => [json(), linter(jsonParseLinter()), lintGutter()],
  text: () => [],
}

/** Darker than one-dark itself, so that its comments and names are readable (4.5 to 1). */
const DARKER = EditorView.theme({
  '&, & .cm-gutters': { backgroundColor: '#14161a' },
  '& .cm-activeLine, & .cm-activeLineGutter': { backgroundColor: '#1a1d22' },
})

/** Tab leaves the editor, as everywhere on the page: it indents nothing. */
export default function CodeMirror({ value, onChange, language, label, isReadOnly, isDark, minHeight, maxHeight }: CodeProps & { isDark: boolean }) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(undefined)
  const slots = useRef({ language: new Compartment(), theme: new Compartment(), access: new Compartment() })
  const latest = useRef(onChange)
  const text = useRef(value)
  useEffect(() => {
    latest.current = onChange
  }, [onChange])

  useEffect(() => {
    if (host.current === null) return undefined
    const { language: languageSlot, theme, access } = slots.current
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: text.current,
        extensions: [
          basicSetup,
          // Only when asked for: Enter after `done` must begin a line, whatever is offered by then.
          autocompletion({ activateOnTyping: false }),
          EditorView.lineWrapping,
          languageSlot.of([]),
          theme.of([]),
          access.of([]),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged) return
            text.current = update.state.doc.toString()
            latest.current?.(text.current)
          }),
        ],
      }),
    })
    view.current = editor
    return () => editor.destroy()
  }, [])

  useEffect(() => {
    view.current?.dispatch({ effects: slots.current.language.reconfigure(LANGUAGES[language]()) })
  }, [language])
  useEffect(() => {
    const size = EditorView.theme({
      '&': { fontSize: '13px', maxHeight: `${maxHeight}px` },
      '.cm-scroller': { overflow: 'auto', fontFamily: 'var(--jt-mono)' },
      '.cm-content, .cm-gutter': { minHeight: `${minHeight}px` },
      '&.cm-focused': { outline: 'none' },
    })
    view.current?.dispatch({ effects: slots.current.theme.reconfigure(isDark ? [DARKER, oneDark, size] : size) })
  }, [isDark, minHeight, maxHeight])
  useEffect(() => {
    const access = [
      EditorState.readOnly.of(isReadOnly),
      EditorView.contentAttributes.of({ tabindex: '0', 'aria-label': label, 'aria-readonly': String(isReadOnly) }),
    ]
    view.current?.dispatch({ effects: slots.current.access.reconfigure(access) })
  }, [isReadOnly, label])
  useEffect(() => {
    if (value === text.current) return
    text.current = value
    view.current?.dispatch({ changes: { from: 0, to: view.current.state.doc.length, insert: value } })
  }, [value])
  return <div ref={host} />
}
