import { App, Button, type ButtonProps } from 'antd'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { messageOf } from '../api/problem'

type Props = Omit<ButtonProps, 'onClick'> & {
  /** Names what is hit: "Delete job nightly-report?" */
  question: string
  consequence?: ReactNode
  /** What the button in the dialog says; default: the button's own text. */
  confirm?: string
  onConfirm: () => Promise<unknown>
}

/** A button for what cannot be taken back: it asks first, and says so when it fails. */
export function ConfirmButton({ question, consequence, confirm, onConfirm, children, ...button }: Props) {
  const { modal, message } = App.useApp()
  const { t } = useTranslation()
  const ask = () => {
    modal.confirm({
      title: question,
      content: consequence,
      okText: confirm ?? children,
      cancelText: t('actions.cancel'),
      okButtonProps: { danger: button.danger ?? true },
      autoFocusButton: 'cancel',
      onOk: async () => {
        try {
          await onConfirm()
        } catch (error) {
          void message.error(messageOf(error))
        }
      },
    })
  }
  return (
    <Button danger {...button} onClick={ask}>
      {children}
    </Button>
  )
}
