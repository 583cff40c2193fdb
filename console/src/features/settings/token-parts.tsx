import { Badge } from 'antd'
import { useTranslation } from 'react-i18next'
import { type TokenKind, useRevokeToken } from '../../api/tokens'
import { ConfirmButton } from '../../ui/confirm-button'
import { useNow } from '../../ui/now'

export function TokenState({ revokedAt, expiresAt = null }: { revokedAt: string | null; expiresAt?: string | null }) {
  const { t } = useTranslation('settings')
  const now = useNow(expiresAt !== null)
  if (revokedAt !== null) return <Badge status="default" text={t('token.revoked')} />
  if (expiresAt !== null && Date.parse(expiresAt) <= now) return <Badge status="warning" text={t('token.expired')} />
  return <Badge status="success" text={t('token.valid')} />
}

export function RevokeToken({ kind, token }: { kind: TokenKind; token: { id: string; name: string; revokedAt: string | null } }) {
  const { t } = useTranslation('settings')
  const revoke = useRevokeToken(kind)
  if (token.revokedAt !== null) return null
  return (
    <ConfirmButton
      size="small"
      question={t('token.revokeQuestion', { name: token.name })}
      consequence={t(kind === 'api-tokens' ? 'token.revokeApiText' : 'token.revokeWorkerText')}
      onConfirm={() => revoke.mutateAsync(token.id)}
    >
      {t('token.revoke')}
    </ConfirmButton>
  )
}
