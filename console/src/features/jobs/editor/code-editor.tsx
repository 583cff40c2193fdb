import { Skeleton, theme } from 'antd'
import { lazy, Suspense } from 'react'
import { useIsDark } from '../../../app/theme'
import type { ScriptLanguage } from '../logic/script-language'

export type CodeLanguage = ScriptLanguage | 'json'
export type CodeProps = {
  value: string
  onChange?: (value: string) => void
  language: CodeLanguage
  label: string
  isReadOnly: boolean
  minHeight: number
  maxHeight: number
}

const CodeMirror = lazy(() => import('./code-mirror'))

/** A text editor with highlighting; its code is loaded when the first one is shown. */
export function CodeEditor({ isInvalid, ...props }: CodeProps & { isInvalid?: boolean }) {
  const { token } = theme.useToken()
  const isDark = useIsDark()
  return (
    <div
      style={{
        border: `1px solid ${isInvalid === true ? token.colorError : token.colorBorder}`,
        borderRadius: token.borderRadius,
        overflow: 'hidden',
        background: token.colorBgContainer,
      }}
    >
      <Suspense fallback={<Loading {...props} />}>
        <CodeMirror {...props} isDark={isDark} />
      </Suspense>
    </div>
  )
}

const LINE_HEIGHT = 18.2
const PADDING = 8

/** As high as the editor will be: what is below it must not move away from under the pointer. */
function Loading({ value, minHeight, maxHeight }: CodeProps) {
  const height = Math.min(maxHeight, Math.max(minHeight, value.split('\n').length * LINE_HEIGHT + PADDING))
  return (
    <div style={{ height, padding: 12, overflow: 'hidden' }}>
      <Skeleton active title={false} />
    </div>
  )
}
