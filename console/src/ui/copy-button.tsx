import { CheckOutlined, CopyOutlined } from '@ant-design/icons'
import { App, Button, Tooltip } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { messageOf } from '../api/problem'
import { copyText } from './copy-text'

/** Copies a text, and says when it could not. */
export function CopyButton({ text }: { text: string }) {
  const { t } = useTranslation()
  const { message } = App.useApp()
  const [isCopied, setIsCopied] = useState(false)
  const copy = async (): Promise<void> => {
    try {
      await copyText(text)
      setIsCopied(true)
    } catch (error) {
      void message.error(messageOf(error))
    }
  }
  const label = t(isCopied ? 'actions.copied' : 'actions.copy')
  return (
    <Tooltip title={label} onOpenChange={(isOpen) => !isOpen && setIsCopied(false)}>
      <Button type="link" size="small" icon={isCopied ? <CheckOutlined /> : <CopyOutlined />} aria-label={label} onClick={() => void copy()} />
    </Tooltip>
  )
}
