import { DeleteOutlined, PlusOutlined } from '@ant-design/icons'
import { Button, Input, Space, Tag } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type JobDraft, KEPT_SECRET } from '../logic/job-draft'
import { Field, useFieldError } from './field'
import { Section } from './section'
import type { SetMember } from './use-job-editor'

/** Names of environment variables whose values can be set but never read. */
export function SecretsSection({ draft, set, isReadOnly }: { draft: JobDraft; set: SetMember; isReadOnly: boolean }) {
  const { t } = useTranslation('jobs')
  const secrets = draft.secrets ?? {}
  const [name, setName] = useState('')
  const names = Object.keys(secrets)
  const error = useFieldError('secrets')
  const canAdd = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name) && !names.includes(name)
  const setOne = (key: string, value: string): void => set('secrets', { ...secrets, [key]: value })
  const remove = (key: string): void => set('secrets', Object.fromEntries(Object.entries(secrets).filter(([each]) => each !== key)))
  const add = (): void => {
    if (!canAdd) return
    setOne(name, '')
    setName('')
  }
  return (
    <Section title={t('section.secrets')}>
      <p style={{ marginTop: 0, opacity: 0.75 }}>{t('hint.secrets')}</p>
      {names.map((key) => (
        <Field key={key} path={`secrets.${key}`} label={key} style={{ marginBottom: 12 }}>
          {(control) =>
            secrets[key] === KEPT_SECRET ? (
              <Space>
                <Tag>{t('secret.isSet')}</Tag>
                {!isReadOnly && (
                  <>
                    <Button size="small" onClick={() => setOne(key, '')}>
                      {t('secret.replace')}
                    </Button>
                    <Button
                      size="small"
                      danger
                      type="text"
                      icon={<DeleteOutlined />}
                      aria-label={t('pair.remove', { name: key })}
                      onClick={() => remove(key)}
                    />
                  </>
                )}
              </Space>
            ) : (
              <Space.Compact style={{ width: '100%', maxWidth: 480 }}>
                <Input.Password
                  {...control}
                  autoComplete="new-password"
                  value={secrets[key]}
                  placeholder={t('secret.value')}
                  onChange={(event) => setOne(key, event.target.value)}
                />
                <Button icon={<DeleteOutlined />} aria-label={t('pair.remove', { name: key })} onClick={() => remove(key)} />
              </Space.Compact>
            )
          }
        </Field>
      ))}
      {names.length === 0 && isReadOnly && <span style={{ opacity: 0.7 }}>{t('secret.none')}</span>}
      {!isReadOnly && (
        <Space.Compact style={{ width: '100%', maxWidth: 480 }}>
          <Input
            className="jt-mono"
            aria-label={t('secret.name')}
            placeholder={t('secret.name')}
            status={name === '' || canAdd ? '' : 'error'}
            value={name}
            spellCheck={false}
            onChange={(event) => setName(event.target.value)}
            onPressEnter={add}
          />
          <Button icon={<PlusOutlined />} disabled={!canAdd} onClick={add}>
            {t('secret.add')}
          </Button>
        </Space.Compact>
      )}
      {error !== undefined && names.length === 0 && <div role="alert">{error}</div>}
    </Section>
  )
}
