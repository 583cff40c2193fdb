import { Card, Typography } from 'antd'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { Navigate, useSearchParams } from 'react-router'
import { PreferenceChoices } from '../../app/header'
import { useSessionState } from '../../app/session'
import { SignInForm } from './sign-in-form'

/** A page of ours, never another site. */
function target(to: string | null): string {
  return to !== null && /^\/(?![/\\])/.test(to) ? to : '/'
}

export default function SignInPage() {
  const { t } = useTranslation()
  const [search] = useSearchParams()
  const state = useSessionState()
  useEffect(() => {
    document.title = `${t('session.signIn')} · Jobtrail`
  }, [t])
  if (state === 'signed-in') return <Navigate replace to={target(search.get('to'))} />
  return (
    <main style={{ minHeight: '100vh', display: 'flex', flexDirection: 'column' }}>
      <div style={{ display: 'flex', justifyContent: 'flex-end', padding: 8 }}>
        <PreferenceChoices />
      </div>
      <div style={{ flex: 1, display: 'grid', placeItems: 'center', padding: '0 16px 15vh' }}>
        <Card style={{ width: '100%', maxWidth: 380 }}>
          <div style={{ display: 'flex', alignItems: 'center', gap: 12, marginBottom: 20 }}>
            <img src="/favicon.svg" width={36} height={36} alt="" />
            <div>
              <Typography.Title level={1} style={{ fontSize: 22, margin: 0 }}>
                Jobtrail
              </Typography.Title>
              <Typography.Text type="secondary">{t('session.tagline')}</Typography.Text>
            </div>
          </div>
          <SignInForm />
        </Card>
      </div>
    </main>
  )
}
