import { Form, Input, Radio, theme, Typography } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { Name } from '@jobtrail/api/common'
import { useNamespace } from '../../app/namespace'
import { useSession } from '../../app/session'
import { CopyButton } from '../../ui/copy-button'
import { INSTALL_WAYS, type InstallWay, workerCommand } from '../../ui/worker-commands'

/** How to have a machine run jobs of this namespace: one line to copy. */
export function ConnectWorker({ initialGroup = 'default' }: { initialGroup?: string }) {
  const { t } = useTranslation('workers')
  const { namespace } = useNamespace()
  const { can } = useSession()
  const { token } = theme.useToken()
  const [way, setWay] = useState<InstallWay>('npm')
  const [group, setGroup] = useState(initialGroup)
  const isGood = Name.safeParse(group).success
  const command = workerCommand(way, location.origin, group)
  return (
    <div style={{ textAlign: 'start' }}>
      <Typography.Paragraph>{t('connect.intro')}</Typography.Paragraph>
      <Form layout="vertical">
        <Form.Item label={t('connect.way')}>
          <Radio.Group
            aria-label={t('connect.way')}
            name="way"
            value={way}
            options={INSTALL_WAYS.map((value) => ({ value, label: t(`connect.ways.${value}`) }))}
            onChange={({ target }) => setWay(target.value as InstallWay)}
          />
        </Form.Item>
        <Form.Item
          label={t('group')}
          htmlFor="connect-group"
          extra={t('connect.groupNote')}
          validateStatus={isGood ? '' : 'error'}
          help={isGood ? undefined : t('connect.groupWrong')}
        >
          <Input
            id="connect-group"
            value={group}
            onChange={({ target }) => setGroup(target.value)}
            autoComplete="off"
            spellCheck={false}
            style={{ maxWidth: 240 }}
          />
        </Form.Item>
      </Form>
      {isGood && (
        <div style={{ display: 'flex', alignItems: 'start', gap: 4, padding: 12, background: token.colorFillTertiary, borderRadius: 6 }}>
          <code className="jt-mono" style={{ flex: 1, minWidth: 0, overflowWrap: 'anywhere' }}>
            {command}
          </code>
          <CopyButton text={command} />
        </div>
      )}
      <Typography.Paragraph type="secondary" style={{ margin: '8px 0 0' }}>
        {t('connect.token', { namespace })}{' '}
        {can(namespace, 'admin') ? (
          <Link to="/settings/worker-tokens" style={{ textDecoration: 'underline' }}>
            {t('makeToken')}
          </Link>
        ) : (
          t('connect.askAdmin')
        )}
      </Typography.Paragraph>
      <Typography.Paragraph type="secondary" style={{ margin: '8px 0 0' }}>
        {t(`connect.notes.${way}`)}
      </Typography.Paragraph>
    </div>
  )
}
