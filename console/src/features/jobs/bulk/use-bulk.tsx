import { App, Button, Progress, Typography } from 'antd'
import { type ReactNode, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { messageOf } from '../../../api/problem'
import { type BulkItem, type BulkState, runBulk } from './run-bulk'
import { Dialog } from '../../../ui/dialog'
import { ScrollBox } from '../../../ui/scroll-box'

export type BulkTask = {
  /** "Cancel 12 runs" */
  title: string
  items: readonly BulkItem[]
  action: (item: BulkItem) => Promise<unknown>
  /** Asks first, naming what is hit. */
  confirm?: { text: ReactNode; ok: string; isDanger: boolean }
  onEnd: () => void
}

const NAMED = 10

/** Actions on many things: asks, shows progress, and sums up what became of it. Gives a function that begins one, and the dialog to render. */
export function useBulk(): [(task: BulkTask) => void, ReactNode] {
  const { t } = useTranslation('jobs')
  const { modal } = App.useApp()
  const [title, setTitle] = useState('')
  const [state, setState] = useState<BulkState | null>(null)
  const stop = useRef<AbortController>(undefined)

  const run = async ({ title: name, items, action, onEnd }: BulkTask): Promise<void> => {
    stop.current = new AbortController()
    // It was a question; now it is done.
    setTitle(name.replace(/[?\uff1f]$/, ''))
    setState({ total: items.length, done: 0, failures: [], isRunning: true, notStarted: 0 })
    await runBulk(items, action, { signal: stop.current.signal, onProgress: setState, messageOf })
    onEnd()
  }
  const begin = (task: BulkTask): void => {
    if (task.confirm === undefined) return void run(task)
    const named = task.items.slice(0, NAMED).map(({ name }) => name)
    modal.confirm({
      title: task.title,
      width: 480,
      content: (
        <>
          <p>{task.confirm.text}</p>
          <ul style={{ margin: 0, paddingInlineStart: 20, overflowWrap: 'anywhere' }}>
            {named.map((name, i) => (
              <li key={`${i} ${name}`}>{name}</li>
            ))}
          </ul>
          {task.items.length > NAMED && <p>{t('bulk.andMore', { count: task.items.length - NAMED })}</p>}
        </>
      ),
      okText: task.confirm.ok,
      cancelText: t('common:actions.cancel'),
      okButtonProps: { danger: task.confirm.isDanger },
      autoFocusButton: 'cancel',
      onOk: () => void run(task),
    })
  }
  return [begin, state !== null && <BulkDialog title={title} state={state} stop={() => stop.current?.abort()} close={() => setState(null)} />]
}

function BulkDialog({ title, state, stop, close }: { title: string; state: BulkState; stop: () => void; close: () => void }) {
  const { t } = useTranslation('jobs')
  const { total, done, failures, isRunning, notStarted } = state
  const isFine = failures.length === 0 && notStarted === 0
  return (
    <Dialog
      title={title}
      closable={!isRunning}
      mask={{ closable: false }}
      keyboard={!isRunning}
      onCancel={close}
      footer={
        isRunning ? (
          <Button onClick={stop}>{t('bulk.stop')}</Button>
        ) : (
          <Button type="primary" autoFocus onClick={close}>
            {t('common:actions.close')}
          </Button>
        )
      }
    >
      <Progress percent={total === 0 ? 100 : Math.floor((100 * done) / total)} status={isRunning ? 'active' : isFine ? 'success' : 'exception'} />
      <p role="status" aria-live="polite">
        {isRunning ? t('bulk.progress', { done, total }) : t('bulk.result', { succeeded: done - failures.length, failed: failures.length })}
        {notStarted > 0 && ` ${t('bulk.notStarted', { count: notStarted })}`}
      </p>
      {failures.length > 0 && (
        <ScrollBox label={t('bulk.failures')} style={{ maxHeight: 240 }}>
          <ul style={{ margin: 0, paddingInlineStart: 20, overflowWrap: 'anywhere' }}>
            {failures.slice(0, 100).map(({ item, message }) => (
              <li key={item.id}>
                <strong>{item.name}</strong> <Typography.Text type="danger">{message}</Typography.Text>
              </li>
            ))}
          </ul>
        </ScrollBox>
      )}
    </Dialog>
  )
}
