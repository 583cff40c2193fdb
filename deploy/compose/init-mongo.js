// Makes the replica set on the first start; on later ones finds it made. Run by mongosh.
try {
  rs.status()
  print('the replica set is there')
} catch (error) {
  if (error.codeName !== 'NotYetInitialized') throw error
  rs.initiate({
    _id: 'jobtrail',
    members: ['mongo-1', 'mongo-2', 'mongo-3'].map((host, index) => ({ _id: index, host: `${host}:27017` })),
  })
}
const deadline = Date.now() + 60_000
while (!rs.status().members.some((member) => member.stateStr === 'PRIMARY')) {
  if (Date.now() > deadline) throw new Error('no primary after 60 s')
  sleep(500)
}
print('the replica set has a primary')
