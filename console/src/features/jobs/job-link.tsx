import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { jobQuery } from '../../api/jobs'

/** The job by its name, as soon as that is known. */
export function JobLink({ id }: { id: string }) {
  const job = useQuery({ ...jobQuery(id), staleTime: 30_000 })
  return (
    <Link to={`/jobs/${id}`} style={{ overflowWrap: 'anywhere' }}>
      {job.data?.name ?? id}
    </Link>
  )
}
