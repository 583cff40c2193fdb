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
      <Suspense fallback={<Skeleton active title={false} style={{ padding: 12, minHeight: props.minHeight }} />}>
        <CodeMirror {...props} isDark={isDark} />
      </Suspense>
    </div>
  )
}
