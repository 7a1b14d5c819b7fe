'use strict'; // what both Node clients are given, check and write; ../README.md
const fs = require('fs'), path = require('path'), assert = require('assert')
const { Kafka, Partitioners, logLevel } = require('kafkajs')

const { CLIENTS_REGISTRY: url, CLIENTS_KAFKA: broker, CLIENTS_TOPIC: topic, CLIENTS_WRITERS: writers } = process.env
const kafka = new Kafka({ clientId: 'clients', brokers: [broker], logLevel: logLevel.ERROR })
let failed = false

function check(what, got, want) {
  try {
    assert.deepEqual(got, want)
    console.log('ok - ' + what)
  } catch {
    failed = true
    console.log(`not ok - ${what}: ${JSON.stringify(got)}, wanted ${JSON.stringify(want)}`)
  }
}

const text = name => fs.readFileSync(path.join(process.env.CLIENTS_SCHEMAS, name + '.avsc'), 'utf8')

const reading = (by, n) => ({
  by, n, value: n + 0.5, note: n % 2 ? 'note ' + n : null, tags: ['a', 'ü'], parity: ['EVEN', 'ODD'][n % 2],
  raw: Buffer.from([0, n, 255]), levels: { x: n }, at: 1700000000000 + n })

/** A decoded record as plain values: avsc makes objects of classes of its own. */
const plain = r => ({ ...r, levels: { ...r.levels }, raw: Buffer.from(r.raw) })

/** What a promise is refused with, as picked from the error. */
async function refusal(promise, pick) {
  try { return await promise } catch (e) { return pick(e) }
}

async function produce(to, values) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  await producer.send({ topic: to, messages: values.map(value => ({ value, partition: 0 })) })
  await producer.disconnect()
}

/** Every value there is in partition 0. */
async function consume(from) {
  const admin = kafka.admin()
  await admin.connect()
  const end = Number((await admin.fetchTopicOffsets(from))[0].high)
  await admin.disconnect()
  const consumer = kafka.consumer({ groupId: `clients-${process.pid}-${from}` }), found = []
  await consumer.connect()
  await consumer.subscribe({ topic: from, fromBeginning: true })
  await new Promise(resolve => consumer.run({ eachMessage: async ({ message }) => {
    if (found.push(message.value) === end) resolve()
  } }))
  await consumer.disconnect()
  return found
}

/** Reads what everybody wrote to the shared topic. */
async function readEverybody(decode) {
  const found = []
  for (const v of await consume(topic)) found.push(plain(await decode(v)))
  for (const by of writers.split(' '))
    check(`reads what ${by} wrote`, found.filter(r => r.by === by), [0, 1, 2].map(n => reading(by, n)))
}

function run(main) {
  main().then(() => {
    console.log(failed ? 'failed' : 'done')
    process.exit(failed ? 1 : 0)
  }, e => {
    console.log('not ok - ' + e.stack)
    process.exit(1)
  })
}

module.exports = { check, consume, plain, produce, reading, readEverybody, refusal, run, text, topic, url }
