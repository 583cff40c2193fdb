import { LoadingState } from '../../ui/states'

export default function OverviewPage() {
  return <LoadingState />
}
