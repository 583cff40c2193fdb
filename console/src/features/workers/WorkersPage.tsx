import { LoadingState } from '../../ui/states'

export default function WorkersPage() {
  return <LoadingState />
}
