'use strict' // clients written for REST Proxy, unchanged, against our gateway: Confluent's kafka-rest and IBM's message-hub-rest; ../README.md
const { check, consume, reading, refusal, run, text, topic } = require('./check')
const KafkaRest = require('kafka-rest'), MessageHub = require('message-hub-rest')

const gateway = process.env.CLIENTS_GATEWAY, me = topic + '-node-rest'
const kafka = new KafkaRest({ url: gateway })

/** A call of kafka-rest's as a promise: its callbacks come last. */
const ask = (of, call, ...args) => new Promise((good, bad) => of[call](...args, (e, found) => e ? bad(e) : good(found)))
const strings = values => values.map(v => v === null ? null : v.toString())

/** As Avro's JSON has it, which is what REST Proxy takes. */
const avroJson = r => ({ ...r, note: r.note === null ? null : { string: r.note }, raw: r.raw.toString('latin1') })

async function metadata() {
  check('kafka-rest lists topics', (await ask(kafka.topics, 'list')).some(t => t.name === me), true)
  const t = await ask(kafka.topic(me), 'get')
  check('kafka-rest reads a topic', [t.raw.name, t.raw.partitions.length], [me, 1])
  check('kafka-rest lists partitions', (await ask(kafka.topic(me).partitions, 'list')).map(p => [p.id, p.raw.replicas.length]), [[0, 1]])
  check('kafka-rest reads a partition', (await ask(kafka.topic(me).partition(0), 'get')).raw.partition, 0)
  check('kafka-rest lists brokers', (await ask(kafka.brokers, 'list')).length, 1)
  check('kafka-rest is told of a missing topic', await refusal(ask(kafka.topic(me + '-none'), 'get'), e => [e.status, e.data.error_code]), [404, 40401])
}

async function binary() {
  const first = await ask(kafka.topic(me), 'produce', 'one', { key: 'k', value: 'two' }, { value: 'three', partition: 0 })
  check('kafka-rest produces to a topic', first.offsets.map(o => [o.partition, o.offset]), [[0, 0], [0, 1], [0, 2]])
  const second = await ask(kafka.topic(me).partition(0), 'produce', ['four', { key: 'k', value: null }])
  check('kafka-rest produces to a partition', second.offsets.map(o => o.offset), [3, 4])
  check('kafka-rest is told of a missing partition', await refusal(ask(kafka.topic(me).partition(7), 'produce', 'x'), e => [e.status, e.data.error_code]), [404, 40402])
  check('Kafka has them', strings(await consume(me)), ['one', 'two', 'three', 'four', null])
}

async function avro() {
  const schema = new KafkaRest.AvroSchema(JSON.parse(text('reading')))
  const rows = [0, 1, 2].map(n => avroJson(reading('node-rest', n)))
  const first = await ask(kafka.topic(topic), 'produce', schema, rows[0], rows[1])
  check('kafka-rest produces Avro, and is given the schema\'s id', [first.offsets.length, schema.id > 0, schema.id === first.value_schema_id], [2, true, true])
  check('kafka-rest produces Avro by that id', (await ask(kafka.topic(topic), 'produce', schema, rows[2])).value_schema_id, schema.id)
  check('kafka-rest is told of a record that does not fit',
    await refusal(ask(kafka.topic(topic), 'produce', schema, { by: 'node-rest' }), e => [e.status, e.data.error_code, /missing/.test(e.message)]), [422, 42203, true])
  const key = new KafkaRest.AvroSchema('"string"')
  const keyed = await ask(kafka.topic(topic), 'produce', key, schema, [])
    .catch(e => e) // nothing to produce: an error of REST Proxy's, no crash
  check('kafka-rest is told that there is nothing to produce', [keyed.status, keyed.data.error_code], [422, 422])
}

async function messageHub() {
  const to = me + '-trips'
  const hub = new MessageHub({ 'messagehub-test': [{ label: 'messagehub-test', credentials: { api_key: 'none', kafka_admin_url: gateway, kafka_rest_url: gateway } }] }, { https: false })
  check('message-hub-rest produces a text', (await hub.produce(to, 'one')).offsets.map(o => o.offset), [0])
  const list = new MessageHub.MessageList(['two', 'three'])
  check('message-hub-rest produces a list', (await hub.produce(to, list.messages)).offsets.map(o => o.offset), [1, 2])
  check('message-hub-rest is told of a value that is none', await refusal(hub.produce(to, { records: [{ value: '*' }] }), e => [e.statusCode, e.errorCode]), [422, 42203])
  check('Kafka has them too', strings(await consume(to)), ['one', 'two', 'three'])
}

run(async () => {
  await metadata()
  await binary()
  await avro()
  await messageHub()
})
