import { useMutation } from '@tanstack/react-query'
import { Alert, Button, Form, Input } from 'antd'
import { useTranslation } from 'react-i18next'
import { Login } from '@jobtrail/api/auth'
import { signIn } from '../../api/auth'
import { isProblem, messageOf } from '../../api/problem'

/** `username`: the one whose session has expired, who alone may go on. */
export function SignInForm({ username }: { username?: string }) {
  const { t } = useTranslation()
  const attempt = useMutation({ mutationFn: (login: Login) => signIn(login.username, login.password) })
  const message = isProblem(attempt.error, 'INVALID_CREDENTIALS')
    ? t('session.invalid')
    : isProblem(attempt.error, 'TOO_MANY_ATTEMPTS')
      ? t('session.tooMany')
      : messageOf(attempt.error)
  return (
    <Form<Login>
      name="sign-in"
      layout="vertical"
      requiredMark={false}
      initialValues={{ username: username ?? '', password: '' }}
      onFinish={(values) => attempt.mutate(values)}
    >
      {attempt.isError && <Alert type="error" showIcon title={message} role="alert" style={{ marginBottom: 16 }} />}
      <Form.Item label={t('session.username')} name="username" rules={[{ required: true, message: t('session.usernameMissing') }]}>
        <Input autoComplete="username" autoFocus={username === undefined} disabled={username !== undefined} autoCapitalize="none" spellCheck={false} />
      </Form.Item>
      <Form.Item label={t('session.password')} name="password" rules={[{ required: true, message: t('session.passwordMissing') }]}>
        <Input.Password autoComplete="current-password" autoFocus={username !== undefined} />
      </Form.Item>
      <Button type="primary" htmlType="submit" block loading={attempt.isPending}>
        {t('session.signIn')}
      </Button>
    </Form>
  )
}
