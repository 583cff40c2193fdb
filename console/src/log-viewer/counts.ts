import { currentLanguage } from '../app/i18n'

/** Line numbers and counts are never rounded here. */
export const fullCount = (n: number): string => n.toLocaleString(currentLanguage())
