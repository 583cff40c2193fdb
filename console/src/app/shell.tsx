import { Layout, theme } from 'antd'
import { useTranslation } from 'react-i18next'
import { Outlet } from 'react-router'
import { Header } from './header'
import { useChoicesInUrl } from './namespace'
import { Navigation } from './navigation'
import { RequireSession } from './session'

/** What is around every page. */
export function Shell() {
  return (
    <RequireSession>
      <Frame />
    </RequireSession>
  )
}

function Frame() {
  const { t } = useTranslation()
  const { token } = theme.useToken()
  useChoicesInUrl()
  return (
    <Layout style={{ minHeight: '100vh' }}>
      <a className="jt-skip" href="#main">
        {t('nav.skip')}
      </a>
      <Header />
      <Layout>
        <Layout.Sider
          className="jt-sider"
          width={200}
          theme="light"
          breakpoint="lg"
          collapsedWidth={56}
          style={{ borderInlineEnd: `1px solid ${token.colorBorderSecondary}` }}
        >
          <Navigation />
        </Layout.Sider>
        <Layout.Content id="main" tabIndex={-1} className="jt-content">
          <Outlet />
        </Layout.Content>
      </Layout>
    </Layout>
  )
}
