import { type ComponentType, lazy, Suspense } from 'react'
import { createBrowserRouter, type RouteObject, RouterProvider } from 'react-router'
import { LoadingState } from '../ui/states'
import { PageError } from './page-error'
import { NotFoundPage } from './not-found-page'
import { Shell } from './shell'

type Page = { default: ComponentType }

function page(path: string, load: () => Promise<Page>): RouteObject {
  const Component = lazy(load)
  return {
    path,
    errorElement: <PageError />,
    element: (
      <Suspense fallback={<LoadingState />}>
        <Component />
      </Suspense>
    ),
  }
}

const router = createBrowserRouter([
  page('/sign-in', () => import('../features/sign-in/SignInPage')),
  {
    element: <Shell />,
    errorElement: <PageError />,
    children: [
      page('/', () => import('../features/overview/OverviewPage')),
      page('/jobs', () => import('../features/jobs/JobsPage')),
      page('/jobs/new', () => import('../features/jobs/JobEditorPage')),
      page('/jobs/:id', () => import('../features/jobs/JobEditorPage')),
      page('/jobs/:id/revisions', () => import('../features/jobs/RevisionsPage')),
      page('/instances', () => import('../features/instances/InstancesPage')),
      page('/instances/:id', () => import('../features/instances/InstancePage')),
      page('/workers', () => import('../features/workers/WorkersPage')),
      page('/servers', () => import('../features/servers/ServersPage')),
      page('/settings', () => import('../features/settings/SettingsPage')),
      page('/settings/:section', () => import('../features/settings/SettingsPage')),
      { path: '*', element: <NotFoundPage /> },
    ],
  },
])

export function Router() {
  return <RouterProvider router={router} />
}
