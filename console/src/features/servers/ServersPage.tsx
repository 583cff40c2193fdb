import { LoadingState } from '../../ui/states'

export default function ServersPage() {
  return <LoadingState />
}
