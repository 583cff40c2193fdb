import { useRouteError } from 'react-router'
import { ErrorState } from '../ui/states'

/** Instead of a page that broke, or whose code cannot be loaded (any more: a new version of the server has other files). */
export function PageError() {
  return <ErrorState error={useRouteError()} retry={() => location.reload()} />
}
