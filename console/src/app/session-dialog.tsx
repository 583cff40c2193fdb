import { Button, Modal } from 'antd'
import { useTranslation } from 'react-i18next'
import { sessionToken } from '../api/session-token'
import { SignInForm } from '../features/sign-in/sign-in-form'

/** Over the page whose session has expired: what was typed in it stays. */
export function SessionDialog({ isOpen, name }: { isOpen: boolean; name: string }) {
  const { t } = useTranslation()
  return (
    <Modal
      open={isOpen}
      title={t('session.expired')}
      closable={false}
      keyboard={false}
      mask={{ closable: false }}
      footer={null}
      width={400}
      destroyOnHidden
      zIndex={1900}
    >
      <p>{t('session.expiredText')}</p>
      <SignInForm username={name} />
      <Button type="link" block onClick={() => sessionToken.set('')}>
        {t('session.other')}
      </Button>
    </Modal>
  )
}
