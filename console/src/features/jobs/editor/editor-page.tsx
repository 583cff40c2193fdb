import { CaretRightOutlined, SaveOutlined } from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Alert, App, Button, Col, Grid, Row, Segmented, Tag, theme, Tooltip } from 'antd'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate } from 'react-router'
import type { JobView } from '@jobtrail/shared/api/jobs'
import { useSession } from '../../../app/session'
import { routableWorkersQuery } from '../../../api/jobs'
import { PageHeader } from '../../../ui/page-header'
import { RelativeTime } from '../../../ui/relative-time'
import { JobMenu } from '../list/job-menu'
import type { JobDraft } from '../logic/job-draft'
import { RunDialog } from '../run-dialog'
import { useUrlState } from '../../../ui/use-url-state'
import { ConflictDialog } from './conflict-dialog'
import { JobForm } from './job-form'
import { JsonView } from './json-view'
import { LeaveGuard } from './leave-guard'
import { MatchingWorkers } from './matching-workers'
import { NextFires } from './next-fires'
import { useJobEditor } from './use-job-editor'
import { useSaveKey } from './use-save-key'

type Props = { job: JobView | undefined; initial: JobDraft; namespace: string; notice?: string }

/** One job: a new one, or one that is there. */
export function EditorPage({ job, initial, namespace, notice }: Props) {
  const { t } = useTranslation('jobs')
  const { token } = theme.useToken()
  const isWide = Grid.useBreakpoint().xl === true
  const { can } = useSession()
  const { message } = App.useApp()
  const navigate = useNavigate()
  const [search, change] = useUrlState()
  const editor = useJobEditor({ draft: initial, job }, namespace)
  const { base, draft, unparsed, isDirty, isSaving, failure, conflict, isFormable } = editor
  const workers = useQuery(routableWorkersQuery(namespace))
  const [isRunning, setIsRunning] = useState(false)
  // By an effect, so that the guard sees first that nothing is unsaved any more.
  const [savedId, setSavedId] = useState<string>()
  const isReadOnly = !can(namespace, 'admin')
  const isNew = base.job === undefined
  // In the form a press shows what is wrong at its field; broken JSON as a whole is shown already.
  const canSave = !isReadOnly && unparsed[''] === undefined && (isNew || isDirty)
  const isUnparsed = Object.keys(unparsed).length > 0
  // The view that has such a text stays, so that the text is not lost.
  const isJson = isUnparsed ? unparsed[''] !== undefined : search.get('view') === 'json' || !isFormable

  useEffect(() => {
    if (savedId !== undefined && job === undefined) void navigate(`/jobs/${savedId}`, { replace: true })
  }, [savedId, job, navigate])

  const save = async (): Promise<void> => {
    const saved = await editor.save()
    if (saved === undefined) return void setTimeout(showFirstError, 50)
    void message.success(t(isNew ? 'editor.created' : 'editor.saved', { name: saved.name, revision: saved.revision }))
    setSavedId(saved.id)
  }
  useSaveKey(!isReadOnly, () => {
    if (canSave && !isSaving) void save()
  })

  const current = base.job
  // A new job has just been saved, and its own page is about to come: a dialog that is opened before would vanish with this one.
  const isMoving = savedId !== undefined && job === undefined
  return (
    <>
      <LeaveGuard isDirty={isDirty && !isReadOnly} name={draft.name} />
      <div
        style={{
          display: 'flow-root',
          position: isWide ? 'sticky' : 'static',
          top: 52,
          zIndex: 20,
          background: token.colorBgLayout,
          margin: '-12px 0 0',
          paddingTop: 12,
        }}
      >
        <PageHeader
          title={current?.name ?? t('editor.new')}
          tags={
            <>
              {current !== undefined && !current.enabled && <Tag>{t('list.disabled')}</Tag>}
              {isDirty && !isReadOnly && <Tag color="warning">{t('editor.unsaved')}</Tag>}
              {isReadOnly && <Tag>{t('editor.readOnly')}</Tag>}
            </>
          }
          subtitle={
            current === undefined ? (
              t('editor.in', { namespace })
            ) : (
              <>
                <Link to={`/jobs/${current.id}/revisions`}>{t('editor.revision', { revision: current.revision })}</Link> · {t('editor.changed')}{' '}
                <RelativeTime at={current.updatedAt} /> · <Link to={`/instances?job=${current.id}`}>{t('menu.runs')}</Link>
              </>
            )
          }
          actions={
            <>
              <Segmented
                aria-label={t('editor.view')}
                value={isJson ? 'json' : 'form'}
                disabled={!isFormable || isUnparsed}
                options={[
                  { value: 'form', label: t('editor.form') },
                  { value: 'json', label: 'JSON' },
                ]}
                onChange={(view) => change({ view: view === 'json' ? 'json' : undefined })}
              />
              {current !== undefined && can(namespace, 'operator') && (
                <Tooltip title={isDirty ? t('editor.runsSaved') : ''}>
                  <Button icon={<CaretRightOutlined />} disabled={isMoving} onClick={() => setIsRunning(true)}>
                    {t('run.now')}
                  </Button>
                </Tooltip>
              )}
              {!isReadOnly && (
                <Button type="primary" icon={<SaveOutlined />} loading={isSaving} disabled={!canSave} onClick={() => void save()}>
                  {t(isNew ? 'common:actions.create' : 'common:actions.save')}
                </Button>
              )}
              {current !== undefined && <JobMenu job={current} isInEditor />}
            </>
          }
        />
      </div>
      {notice !== undefined && isNew && <Alert type="info" showIcon title={notice} style={{ marginBottom: 16 }} />}
      {failure !== undefined && <Alert type="error" showIcon title={failure} style={{ marginBottom: 16 }} />}
      {isJson ? (
        <JsonView
          draft={draft}
          replace={editor.replace}
          problems={editor.problems}
          isReadOnly={isReadOnly}
          onSyntax={(problem) => editor.setUnparsed('', problem)}
        />
      ) : (
        <Row gutter={16}>
          <Col xs={24} xl={16}>
            <JobForm editor={editor} namespace={namespace} workers={workers} isReadOnly={isReadOnly} />
          </Col>
          <Col xs={24} xl={8}>
            <div style={{ position: isWide ? 'sticky' : 'static', top: 136 }}>
              <NextFires trigger={draft.trigger} isEnabled={draft.enabled ?? true} />
              <MatchingWorkers draft={draft} namespace={namespace} workers={workers} />
            </div>
          </Col>
        </Row>
      )}
      {isRunning && current !== undefined && <RunDialog job={current} close={() => setIsRunning(false)} />}
      {conflict !== undefined && (
        <ConflictDialog
          base={base.draft}
          mine={draft}
          current={conflict}
          close={editor.closeConflict}
          onMerged={(merged) => {
            editor.rebase(conflict, merged)
            void message.info(t('conflict.merged'))
          }}
        />
      )}
    </>
  )
}

function showFirstError(): void {
  const error = document.querySelector('.jt-field-error')
  error?.scrollIntoView({ block: 'center' })
  const control = error?.closest('.ant-form-item')?.querySelector<HTMLElement>('input, textarea, [contenteditable=true]')
  control?.focus({ preventScroll: true })
}
