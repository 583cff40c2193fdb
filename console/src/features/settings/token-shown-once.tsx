import { Alert, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { CopyButton } from '../../ui/copy-button'
import { Dialog } from '../../ui/dialog'

/** The only time that a new token is seen. */
export function TokenShownOnce({ name, token, hint, onClose }: { name: string; token: string; hint?: string; onClose: () => void }) {
  const { t } = useTranslation('settings')
  return (
    <Dialog
      title={t('token.made', { name })}
      okText={t('token.kept')}
      onOk={onClose}
      closable={false}
      mask={{ closable: false }}
      keyboard={false}
      cancelButtonProps={{ style: { display: 'none' } }}
    >
      <Alert type="warning" showIcon title={t('token.once')} style={{ marginBottom: 12 }} />
      <Typography.Paragraph className="jt-mono" style={{ overflowWrap: 'anywhere' }}>
        <Typography.Text code>{token}</Typography.Text>
        <CopyButton text={token} />
      </Typography.Paragraph>
      {hint !== undefined && (
        <Typography.Paragraph type="secondary" className="jt-mono" style={{ overflowWrap: 'anywhere', marginBottom: 0 }}>
          {hint}
          <CopyButton text={hint.replace('…', token)} />
        </Typography.Paragraph>
      )}
    </Dialog>
  )
}
