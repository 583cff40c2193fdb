import { useMutation } from '@tanstack/react-query'
import { App, Form, Input } from 'antd'
import { useTranslation } from 'react-i18next'
import { ChangePassword } from '@jobtrail/api/auth'
import { changePassword } from '../api/auth'
import { Dialog } from '../ui/dialog'
import { forgetErrors, FormProblem, parseForm, showFieldErrors } from '../ui/form-problem'

type Values = ChangePassword & { again: string }

/** One's own password. Other sessions of the user end with it; this one goes on. */
export function PasswordDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const { t } = useTranslation()
  const { message } = App.useApp()
  const [form] = Form.useForm<Values>()
  const change = useMutation({
    mutationFn: changePassword,
    onSuccess: () => {
      void message.success(t('password.changed'))
      onClose()
    },
    onError: (error: unknown) => showFieldErrors(form, error),
  })
  const save = ({ again, ...values }: Values) => {
    const body = parseForm(form, ChangePassword, values)
    if (body === undefined) return
    if (again === body.next) change.mutate(body)
    else form.setFields([{ name: 'again', errors: [t('password.differs')] }])
  }
  return (
    <Dialog title={t('password.title')} okText={t('actions.save')} onOk={() => form.submit()} onCancel={onClose} confirmLoading={change.isPending} width={420}>
      <p>{t('password.text')}</p>
      <FormProblem error={change.error} />
      <Form<Values>
        name="password"
        form={form}
        layout="vertical"
        onFinish={save}
        onValuesChange={forgetErrors(form)}
        initialValues={{ current: '', next: '', again: '' }}
      >
        {/* For password managers, which want to know whose it is. */}
        <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
        <Form.Item label={t('password.current')} name="current" required>
          <Input.Password autoFocus autoComplete="current-password" />
        </Form.Item>
        <Form.Item label={t('password.next')} name="next" required extra={t('password.nextNote')}>
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Form.Item label={t('password.again')} name="again" required>
          <Input.Password autoComplete="new-password" />
        </Form.Item>
      </Form>
    </Dialog>
  )
}
