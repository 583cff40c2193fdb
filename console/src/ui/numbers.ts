import { currentLanguage } from '../app/i18n'

export const formatCount = (n: number): string =>
  new Intl.NumberFormat(currentLanguage(), n >= 100_000 ? { notation: 'compact', maximumFractionDigits: 1 } : {}).format(n)

export const formatPercent = (share: number): string =>
  new Intl.NumberFormat(currentLanguage(), { style: 'percent', maximumFractionDigits: share > 0.99 && share < 1 ? 2 : 1 }).format(share)

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
