import { Modal } from 'antd'
import { memo } from 'react'
import { useTranslation } from 'react-i18next'

const KEYS = [
  ['/', 'search'],
  ['n', 'next'],
  ['N', 'previous'],
  ['g', 'start'],
  ['G', 'end'],
  ['f', 'follow'],
  ['w', 'wrap'],
  ['t', 'stamps'],
  ['↑ ↓ PgUp PgDn', 'scroll'],
  ['?', 'help'],
] as const

/** The keys of the log viewer. */
export const HelpDialog = memo(function HelpDialog({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation('log')
  return (
    <Modal open={isOpen} onCancel={onClose} footer={null} title={t('help.title')} width={420}>
      <dl className="lv-help">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{t(`help.${what}`)}</dd>
          </div>
        ))}
      </dl>
      <p>{t('help.select')}</p>
    </Modal>
  )
})
