'use strict'; // @kafkajs/confluent-schema-registry against the registry; what it is given and must do: ../README.md
const { SchemaRegistry, SchemaType } = require('@kafkajs/confluent-schema-registry')
const { check, consume, plain, produce, reading, readEverybody, refusal, run, text, topic, url } = require('./check.js')

const me = topic + '-node-kafkajs', trips = me + '-trips', type = SchemaType.AVRO
const open = () => new SchemaRegistry({ host: url, retry: { retries: 0 } })
const schema = (name, references) => ({ type, schema: text(name), ...(references && { references }) })

async function subjects(c) {
  const subject = me + '-value'
  const shared = await c.getLatestSchemaId(topic + '-value')
  // it reads the subject's level first and is told 40408, then sets what it wants
  const { id: first } = await c.register(schema('reading'), { subject, compatibility: 'FULL' })
  check('registers: one id in all subjects', first, shared)
  check('registers again: the same id', (await open().register(schema('reading'), { subject, compatibility: 'FULL' })).id, first)
  check('has set a level', await refusal(c.register(schema('reading'), { subject, compatibility: 'NONE' }), e => e.message.includes('FULL')), true)
  check('is told of what is incompatible',
    await refusal(c.register(schema('reading-bad'), { subject, compatibility: 'FULL' }), e => [e.status, /incompatible/.test(e.message)]), [409, true])
  const { id: second } = await c.register(schema('reading-2'), { subject, compatibility: 'FULL' })
  check('evolves', [second !== first, await c.getRegistryId(subject, 2)], [true, second])
  check('looks up', await open().getRegistryIdBySchema(subject, schema('reading')), first)
  check('reads the latest', await c.getLatestSchemaId(subject), second)
  check('reads a version', await c.getRegistryId(subject, 1), first)
  check('reads by id', (await open().getSchema(second)).fields.map(f => f.name), JSON.parse(text('reading-2')).fields.map(f => f.name))
  return [first, second]
}

async function references(c) {
  await c.register(schema('place'), { subject: trips + '.place' })
  const trip = schema('trip', [{ name: 'clients.Place', subject: trips + '.place', version: 1 }])
  const { id } = await c.register(trip, { subject: trips + '-value' })
  check('registers with a reference', id, await c.getLatestSchemaId(trips + '-value'))
  // its look-up leaves references out of what it sends: that is another schema, here one that cannot be read
  check('its look-up without the reference is refused',
    await refusal(open().getRegistryIdBySchema(trips + '-value', trip), e => [e.status, e.message.includes('clients.Place')]), [422, true])
  const rows = [], frames = [], found = []
  for (let n = 0; n < 5; n++) rows.push({ to: { lat: n / 2, lon: n }, km: n })
  for (const r of rows) frames.push(await open().encode(id, r))
  await produce(trips, frames)
  const read = open()
  for (const v of await consume(trips)) found.push(await read.decode(v))
  check('serializes with a reference to Kafka and back', JSON.parse(JSON.stringify(found)), rows)
}

async function throughKafka(c, [first, second]) {
  const rows = [0, 1, 2, 3, 4].map(n => reading('node-kafkajs', n)), frames = []
  for (const r of rows) frames.push(await c.encode(first, r))
  for (const r of rows) frames.push(await c.encode(second, { ...r, station: 's' }))
  await produce(me, frames)
  const read = open(), found = [], options = { [type]: { readerSchema: JSON.parse(text('reading-2')) } }
  for (const v of await consume(me)) found.push(plain(await read.decode(v, options)))
  check('serializes both versions to Kafka and back, as the newer one', found,
    [...rows.map(r => ({ ...r, station: 'unknown' })), ...rows.map(r => ({ ...r, station: 's' }))])
  const id = await c.getLatestSchemaId(topic + '-value')
  await produce(topic, await Promise.all(rows.slice(0, 3).map(r => c.encode(id, r))))
}

run(async () => {
  const c = open()
  if (process.argv[2] === 'read') return readEverybody(v => c.decode(v))
  const ids = await subjects(c)
  await references(c)
  await throughKafka(c, ids)
  check('is told of a missing subject', await refusal(c.getLatestSchemaId(topic + '-none'), e => e.status), 404)
  check('is told of a missing schema', await refusal(c.getSchema(999999), e => e.status), 404)
})
