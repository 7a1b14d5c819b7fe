'use strict'; // @confluentinc/schemaregistry against the registry; what it is given and must do: ../README.md
const { SchemaRegistryClient, AvroSerializer, AvroDeserializer, SerdeType } = require('@confluentinc/schemaregistry')
const { check, consume, plain, produce, reading, readEverybody, refusal, run, text, topic, url } = require('./check.js')

const me = topic + '-node-confluent', trips = me + '-trips'
const open = () => new SchemaRegistryClient({ baseURLs: [url] })
const schema = (name, references) => ({ schema: text(name), schemaType: 'AVRO', ...(references && { references }) })
const code = e => [e.status, e.errorCode]

async function subjects(c) {
  const subject = me + '-value', same = async (a, b) => JSON.parse((await a).schema).fields.length === JSON.parse(text(b)).fields.length
  const shared = (await c.getLatestSchemaMetadata(topic + '-value')).id
  const first = await c.register(subject, schema('reading'))
  check('registers: one id in all subjects', first, shared)
  check('registers again: the same id', await open().register(subject, schema('reading')), first)
  check('is told of what is incompatible', await refusal(c.register(subject, schema('reading-bad')), code), [409, 409])
  check('asks before: incompatible', await c.testSubjectCompatibility(subject, schema('reading-bad')), false)
  check('asks before: compatible', await c.testCompatibility(subject, 1, schema('reading-2')), true)
  const second = await c.register(subject, schema('reading-2'))
  check('evolves', [second !== first, await c.getAllVersions(subject)], [true, [1, 2]])
  const found = await open().getIdFullResponse(subject, schema('reading'))
  check('looks up', [found.id, found.version, found.subject], [first, 1, subject])
  check('looks up the version', await c.getVersion(subject, schema('reading-2')), 2)
  check('reads the latest', (await c.getLatestSchemaMetadata(subject)).id, second)
  const one = await c.getSchemaMetadata(subject, 1)
  check('reads a version', one.id, first)
  check('reads by id', await same(open().getBySubjectAndId(subject, second), 'reading-2'), true)
  check('reads by guid', one.guid && await same(c.getByGuid(one.guid), 'reading'), true)
  check('lists', (await c.getAllSubjects()).includes(subject), true)
  check('sets a level', [await c.updateCompatibility(subject, 'FULL'), await c.getCompatibility(subject)], ['FULL', 'FULL'])
}

async function references(c) {
  await c.register(trips + '.place', schema('place'))
  const trip = schema('trip', [{ name: 'clients.Place', subject: trips + '.place', version: 1 }])
  const id = await c.register(trips + '-value', trip)
  check('registers with a reference', (await open().getBySubjectAndId(trips + '-value', id)).references, trip.references)
  check('looks up with a reference', await open().getId(trips + '-value', trip), id)
  check('may not delete what is referred to', await refusal(c.deleteSubjectVersion(trips + '.place', 1, false), code), [422, 42206])
  const write = new AvroSerializer(c, SerdeType.VALUE, { useSchemaId: id }), rows = [], frames = []
  for (let n = 0; n < 5; n++) rows.push({ to: { lat: n / 2, lon: n }, km: n })
  for (const r of rows) frames.push(await write.serialize(trips, r))
  await produce(trips, frames)
  const read = new AvroDeserializer(open(), SerdeType.VALUE, {}), found = []
  for (const v of await consume(trips)) found.push(await read.deserialize(trips, v))
  check('serializes with a reference to Kafka and back', JSON.parse(JSON.stringify(found)), rows)
}

async function throughKafka(c) {
  const id = async name => c.getId(me + '-value', schema(name))
  const old = new AvroSerializer(open(), SerdeType.VALUE, { useSchemaId: await id('reading') })
  const latest = new AvroSerializer(open(), SerdeType.VALUE, { useLatestVersion: true })
  const rows = [0, 1, 2, 3, 4].map(n => reading('node-confluent', n)), frames = []
  for (const r of rows) frames.push(await old.serialize(me, r))
  for (const r of rows) frames.push(await latest.serialize(me, { ...r, station: 's' }))
  await produce(me, frames)
  const read = new AvroDeserializer(open(), SerdeType.VALUE, { useLatestVersion: true }), found = []
  for (const v of await consume(me)) found.push(plain(await read.deserialize(me, v)))
  check('serializes both versions to Kafka and back, as the newer one', found,
    [...rows.map(r => ({ ...r, station: 'unknown' })), ...rows.map(r => ({ ...r, station: 's' }))])
  const shared = new AvroSerializer(open(), SerdeType.VALUE, { useLatestVersion: true }), mine = []
  for (const r of rows.slice(0, 3)) mine.push(await shared.serialize(topic, r))
  await produce(topic, mine)
}

async function deletion(c) {
  const subject = topic + '-node-confluent-gone'
  for (const n of ['reading', 'reading-2']) await c.register(subject, schema(n))
  check('deletes a version', await c.deleteSubjectVersion(subject, 1, false), 1)
  check('deletes a subject', await c.deleteSubject(subject, false), [2])
  check('deletes for good', await c.deleteSubject(subject, true), [1, 2])
  check('is told of a missing subject', await refusal(c.getLatestSchemaMetadata(subject), code), [404, 40401])
  check('is told of a missing schema', await refusal(c.getBySubjectAndId(subject, 999999), code), [404, 40403])
}

run(async () => {
  const read = new AvroDeserializer(open(), SerdeType.VALUE, {})
  if (process.argv[2] === 'read') return readEverybody(v => read.deserialize(topic, v))
  const c = open()
  await subjects(c)
  await references(c)
  await throughKafka(c)
  await deletion(c)
})
