import { theme, type ThemeConfig } from 'antd'

/** Colours of text and signs that are readable (4.5 to 1) on the backgrounds that they stand on. */
const LIGHT: NonNullable<ThemeConfig['token']> = {
  colorPrimary: '#0f5fd3',
  colorInfo: '#0f5fd3',
  colorLink: '#0f5fd3',
  colorSuccess: '#237804',
  colorWarning: '#945800',
  colorError: '#cf1322',
  // Dark seeds would make muddy backgrounds of their own.
  colorSuccessBg: '#f3fbec',
  colorSuccessBorder: '#b5e08f',
  colorWarningBg: '#fffbe6',
  colorWarningBorder: '#f5d77a',
  colorErrorBg: '#fff2f0',
  colorErrorBorder: '#ffc4bd',
  colorBgLayout: '#f5f6f8',
  colorTextDescription: 'rgba(0, 0, 0, 0.62)',
  colorTextTertiary: 'rgba(0, 0, 0, 0.6)',
  colorTextPlaceholder: 'rgba(0, 0, 0, 0.56)',
}
const DARK: NonNullable<ThemeConfig['token']> = {
  colorLink: '#6ea8ff',
  colorLinkHover: '#9cc4ff',
  colorLinkActive: '#9cc4ff',
  colorInfo: '#5b9dff',
  colorError: '#ff7a7d',
  colorBgLayout: '#141414',
  colorBgContainer: '#1c1c1f',
  colorTextDescription: 'rgba(255, 255, 255, 0.65)',
  colorTextTertiary: 'rgba(255, 255, 255, 0.6)',
  colorTextPlaceholder: 'rgba(255, 255, 255, 0.5)',
}

const COMMON: NonNullable<ThemeConfig['token']> = { borderRadius: 6 }

/** `hasMotion`: left to the style sheet alone, menus that must not move would be placed before they have their size. */
export function themeOf({ isDark, hasMotion }: { isDark: boolean; hasMotion: boolean }): ThemeConfig {
  if (!isDark) return { algorithm: theme.defaultAlgorithm, token: { ...COMMON, ...LIGHT, motion: hasMotion } }
  return {
    algorithm: theme.darkAlgorithm,
    token: { ...COMMON, ...DARK, motion: hasMotion },
    components: { Menu: { itemSelectedColor: '#9cc4ff', horizontalItemSelectedColor: '#9cc4ff' } },
  }
}
