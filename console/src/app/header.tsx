import { BulbOutlined, GlobalOutlined, KeyOutlined, LogoutOutlined, TranslationOutlined, UserOutlined } from '@ant-design/icons'
import { useQueryClient } from '@tanstack/react-query'
import { Button, Dropdown, Layout, type MenuProps, theme, Tooltip } from 'antd'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate } from 'react-router'
import { signOut } from '../api/auth'
import { currentLanguage, type Language, LANGUAGES, setLanguage } from './i18n'
import { NamespaceSwitch } from './namespace-switch'
import { PasswordDialog } from './password-dialog'
import { useSession } from './session'
import { THEME_MODES, type ThemeMode, useThemeMode } from './theme'
import { BROWSER_ZONE, useTimeZone, ZONE_MODES, ZONE_PARAM, type ZoneMode } from './time-zone'
import { useUrlState } from '../ui/use-url-state'

type ChoiceProps<T extends string> = {
  label: string
  icon: ReactNode
  value: T
  options: readonly { value: T; label: ReactNode }[]
  onChange: (value: T) => void
}

function Choice<T extends string>({ label, icon, value, options, onChange }: ChoiceProps<T>) {
  const menu: MenuProps = {
    selectable: true,
    selectedKeys: [value],
    items: options.map((option) => ({ key: option.value, label: option.label })),
    onClick: ({ key }) => {
      const chosen = options.find((option) => option.value === key)
      if (chosen !== undefined) onChange(chosen.value)
    },
  }
  return (
    <Dropdown menu={menu} trigger={['click']} placement="bottomRight">
      {/* Below, it would lie over the menu. */}
      <Tooltip title={label} placement="left">
        <Button type="text" icon={icon} aria-label={label} />
      </Tooltip>
    </Dropdown>
  )
}

export function PreferenceChoices() {
  const { t } = useTranslation()
  const [mode, setMode] = useThemeMode()
  const zone = useTimeZone()
  const [, changeUrl] = useUrlState()
  const zoneName: Record<ZoneMode, string> = { browser: `${t('zone.browser')} (${BROWSER_ZONE})`, utc: 'UTC', job: t('zone.job') }
  return (
    <>
      <Choice<ZoneMode>
        label={t('zone.label')}
        icon={<GlobalOutlined />}
        value={zone.mode}
        options={ZONE_MODES.map((value) => ({ value, label: zoneName[value] }))}
        onChange={(value) => {
          zone.setMode(value)
          changeUrl({ [ZONE_PARAM]: value === 'browser' ? undefined : value })
        }}
      />
      <Choice<ThemeMode>
        label={t('theme.label')}
        icon={<BulbOutlined />}
        value={mode}
        options={THEME_MODES.map((value) => ({ value, label: t(`theme.${value}`) }))}
        onChange={setMode}
      />
      <Choice<Language>
        label={t('language')}
        icon={<TranslationOutlined />}
        value={currentLanguage()}
        options={(Object.keys(LANGUAGES) as Language[]).map((value) => ({ value, label: <span lang={value}>{LANGUAGES[value]}</span> }))}
        onChange={(value) => void setLanguage(value)}
      />
    </>
  )
}

function UserMenu() {
  const { t } = useTranslation()
  const { name } = useSession()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [isChanging, setIsChanging] = useState(false)
  const leave = async () => {
    // The session is over here, whether the server heard of it or not.
    await signOut().catch(() => undefined)
    queries.clear()
    await navigate('/sign-in')
  }
  const items: MenuProps['items'] = [
    { key: 'password', icon: <KeyOutlined />, label: t('password.title'), onClick: () => setIsChanging(true) },
    { key: 'out', icon: <LogoutOutlined />, label: t('session.signOut'), onClick: () => void leave() },
  ]
  return (
    <>
      <Dropdown trigger={['click']} placement="bottomRight" menu={{ items }}>
        <Button type="text" icon={<UserOutlined />} aria-label={t('session.user', { name })}>
          <span className="jt-wide">{name}</span>
        </Button>
      </Dropdown>
      {isChanging && <PasswordDialog name={name} onClose={() => setIsChanging(false)} />}
    </>
  )
}

export function Header() {
  const { token } = theme.useToken()
  return (
    <Layout.Header className="jt-header" style={{ background: token.colorBgContainer, borderBottom: `1px solid ${token.colorBorderSecondary}` }}>
      <Link to="/" className="jt-brand" style={{ color: token.colorText }} aria-label="Jobtrail">
        <img src="/favicon.svg" width={26} height={26} alt="" />
        <span className="jt-wide">Jobtrail</span>
      </Link>
      <NamespaceSwitch />
      <div style={{ flex: 1 }} />
      <PreferenceChoices />
      <UserMenu />
    </Layout.Header>
  )
}
