//! schema_registry_converter, with rskafka for Kafka, against the registry; what it is given and must do: ../README.md.
use std::{collections::BTreeMap, collections::HashMap, env, error::Error, fmt::Debug, fs, path::Path, process::exit};

use apache_avro::types::Value;
use rskafka::chrono::DateTime;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use schema_registry_converter::async_impl::easy_avro::{EasyAvroDecoder, EasyAvroEncoder};
use schema_registry_converter::async_impl::schema_registry::*;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    RawError, SchemaType, SubjectNameStrategy, SuppliedReference, SuppliedSchema,
};

type Fields = Vec<(&'static str, Value)>;

struct Run {
    registry: SrSettings,
    kafka: String,
    topic: String,
    failed: bool,
}

fn var(name: &str) -> String {
    env::var(format!("CLIENTS_{name}")).unwrap_or_default()
}

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(&var("SCHEMAS")).join(format!("{name}.avsc"))).expect("a schema file")
}

fn schema(name: &str, record: &str) -> SuppliedSchema {
    SuppliedSchema::new(Some(format!("clients.{record}")), SchemaType::Avro, text(name))
}

fn reading(by: &str, n: i64) -> Fields {
    let odd = n % 2 == 1;
    let note = Value::String(format!("note {n}"));
    vec![
        ("by", Value::String(by.into())),
        ("n", Value::Long(n)),
        ("value", Value::Double(n as f64 + 0.5)),
        ("note", if odd { Value::Union(1, Box::new(note)) } else { Value::Union(0, Box::new(Value::Null)) }),
        ("tags", Value::Array(vec![Value::String("a".into()), Value::String("ü".into())])),
        ("parity", Value::Enum(odd as u32, if odd { "ODD" } else { "EVEN" }.into())),
        ("raw", Value::Bytes(vec![0, n as u8, 255])),
        ("levels", Value::Map(HashMap::from([("x".into(), Value::Int(n as i32))]))),
        ("at", Value::TimestampMillis(1700000000000 + n)),
    ]
}

fn trip(n: i32) -> Fields {
    let place = vec![("lat".into(), Value::Double(n as f64 / 2.0)), ("lon".into(), Value::Double(-n as f64))];
    vec![("to", Value::Record(place)), ("km", Value::Int(n))]
}

fn with_station(mut fields: Fields, station: &str) -> Fields {
    fields.push(("station", Value::String(station.into())));
    fields
}

fn record(fields: Fields) -> Value {
    Value::Record(fields.into_iter().map(|(name, v)| (name.into(), v)).collect())
}

/// The registry's error_code, from wherever in the chain of causes the client keeps it.
fn refusal<T>(result: Result<T, SRCError>) -> u32 {
    let Err(first) = result else { return 0 };
    let mut next: Option<&(dyn Error + 'static)> = Some(&first);
    while let Some(e) = next {
        if let Some(raw) = e.downcast_ref::<RawError>() {
            return raw.error_code;
        }
        next = e.source();
    }
    1
}

impl Run {
    fn check<T: PartialEq + Debug>(&mut self, what: &str, got: T, want: T) {
        if got == want {
            println!("ok - {what}");
            return;
        }
        self.failed = true;
        println!("not ok - {what}: {got:?}, wanted {want:?}");
    }

    async fn partition(&self, topic: &str) -> PartitionClient {
        let client = ClientBuilder::new(vec![self.kafka.clone()]).build().await.expect("Kafka");
        client.partition_client(topic, 0, UnknownTopicHandling::Retry).await.expect("a partition")
    }

    async fn produce(&self, topic: &str, values: Vec<Vec<u8>>) {
        let record = |value| Record {
            key: None,
            value: Some(value),
            headers: BTreeMap::new(),
            timestamp: DateTime::from_timestamp_millis(1700000000000).expect("a time"),
        };
        let partition = self.partition(topic).await;
        let records = values.into_iter().map(record).collect();
        partition.produce(records, Compression::NoCompression).await.expect("produced");
    }

    /// All there is in partition 0.
    async fn consume(&self, topic: &str) -> Vec<Vec<u8>> {
        let partition = self.partition(topic).await;
        let end = partition.get_offset(OffsetAt::Latest).await.expect("an end");
        let (mut next, mut found) = (0, Vec::new());
        while next < end {
            let (records, _) = partition.fetch_records(next, 1..1_000_000, 5_000).await.expect("records");
            for r in records {
                next = r.offset + 1;
                found.push(r.record.value.expect("a value"));
            }
        }
        found
    }

    async fn decoded(&self, topic: &str) -> Result<Vec<Value>, SRCError> {
        let decoder = EasyAvroDecoder::new(self.registry.clone());
        let mut found = Vec::new();
        for v in self.consume(topic).await {
            found.push(decoder.decode(Some(&v)).await?.value);
        }
        Ok(found)
    }

    async fn subjects(&mut self) -> Result<(), SRCError> {
        let r = self.registry.clone();
        let subject = format!("{}-rust-value", self.topic);
        let shared = get_schema_by_subject_and_version(&r, &format!("{}-value", self.topic), None).await?.id;
        let first = post_schema(&r, subject.clone(), schema("reading", "Reading")).await?.id;
        self.check("registers: one id in all subjects", first, shared);
        let again = post_schema(&r, subject.clone(), schema("reading", "Reading")).await?.id;
        self.check("registers again: the same id", again, first);
        let refused = post_schema(&r, subject.clone(), schema("reading-bad", "Reading")).await;
        self.check("is told of what is incompatible", refusal(refused), 409);
        let bad = is_compatible_schema(&r, subject.clone(), schema("reading-bad", "Reading")).await?;
        self.check("asks before: incompatible", bad, false);
        let good = is_compatible_schema(&r, subject.clone(), schema("reading-2", "Reading")).await?;
        self.check("asks before: compatible", good, true);
        let second = post_schema(&r, subject.clone(), schema("reading-2", "Reading")).await?.id;
        let versions = get_all_versions(&r, subject.clone()).await?;
        self.check("evolves", (second != first, versions), (true, vec![1, 2]));
        let one = get_schema_by_subject_and_version(&r, &subject, Some(1)).await?;
        self.check("reads a version", (one.id, one.version), (first, Some(1)));
        let latest = get_schema_by_subject_and_version(&r, &subject, None).await?;
        self.check("reads the latest", (latest.id, latest.version), (second, Some(2)));
        self.check("reads by id", get_schema_by_id(second, &r).await?.schema, latest.schema);
        let guid = one.guid.unwrap_or_default();
        self.check("reads by guid", get_schema_by_guid(&guid, &r).await?.schema, one.schema);
        let listed = get_all_subjects(&r).await?.contains(&subject);
        self.check("lists", listed, true);
        Ok(())
    }

    async fn references(&mut self) -> Result<(), SRCError> {
        let topic = format!("{}-rust-trips", self.topic);
        // it registers what is referred to by itself, and sends null properties and tags inside the reference
        let place = SuppliedReference::new("clients.Place".into(), format!("{topic}.place"), text("place"));
        // and finds what is referred to in a schema's text only under its short name (or ".clients.Place")
        let short = text("trip").replace("\"clients.Place\"", "\"Place\"");
        let supplied =
            SuppliedSchema::new(Some("clients.Trip".into()), SchemaType::Avro, short).with_references(vec![place]);
        let id = post_schema(&self.registry, format!("{topic}-value"), supplied.clone()).await?.id;
        let known = get_schema_by_id(id, &self.registry).await?;
        let refers: Vec<_> = known.references.iter().map(|r| (r.name.as_str(), r.version)).collect();
        self.check("registers with a reference", refers, vec![("clients.Place", 1)]);
        let encoder = EasyAvroEncoder::new(self.registry.clone());
        let strategy = SubjectNameStrategy::TopicNameStrategyWithSchema(topic.clone(), false, supplied);
        let mut frames = Vec::new();
        for n in 0..5 {
            frames.push(encoder.encode(trip(n), strategy.clone()).await?);
        }
        self.produce(&topic, frames).await;
        let found = self.decoded(&topic).await?;
        self.check("serializes with a reference to Kafka and back", found, (0..5).map(|n| record(trip(n))).collect());
        Ok(())
    }

    async fn through_kafka(&mut self) -> Result<(), SRCError> {
        let me = format!("{}-rust", self.topic);
        let old = SubjectNameStrategy::TopicNameStrategyWithSchema(me.clone(), false, schema("reading", "Reading"));
        let latest = SubjectNameStrategy::TopicNameStrategy(me.clone(), false);
        // an encoder keeps one schema for a subject: two schemas, two encoders
        let (first, second) =
            (EasyAvroEncoder::new(self.registry.clone()), EasyAvroEncoder::new(self.registry.clone()));
        let (mut frames, mut want) = (Vec::new(), Vec::new());
        for n in 0..5 {
            frames.push(first.encode(reading("rust", n), old.clone()).await?);
            want.push(record(reading("rust", n)));
        }
        for n in 0..5 {
            frames.push(second.encode(with_station(reading("rust", n), "s"), latest.clone()).await?);
            want.push(record(with_station(reading("rust", n), "s")));
        }
        self.produce(&me, frames).await;
        let found = self.decoded(&me).await?;
        self.check("serializes both versions to Kafka and back", found, want);
        let shared = SubjectNameStrategy::TopicNameStrategy(self.topic.clone(), false);
        let mut mine = Vec::new();
        for n in 0..3 {
            mine.push(first.encode(reading("rust", n), shared.clone()).await?);
        }
        self.produce(&self.topic, mine).await;
        Ok(())
    }

    async fn missing(&mut self) {
        let none = get_schema_by_subject_and_version(&self.registry, "none", None).await;
        self.check("is told of a missing subject", refusal(none), 40401);
        let none = get_schema_by_id(999999, &self.registry).await;
        self.check("is told of a missing schema", refusal(none), 40403);
    }

    async fn read_everybody(&mut self) -> Result<(), SRCError> {
        let found = self.decoded(&self.topic).await?;
        for by in var("WRITERS").split_whitespace() {
            let of = |v: &&Value| matches!(v, Value::Record(f) if f[0].1 == Value::String(by.into()));
            let got: Vec<_> = found.iter().filter(of).cloned().collect();
            self.check(&format!("reads what {by} wrote"), got, (0..3).map(|n| record(reading(by, n))).collect());
        }
        Ok(())
    }

    async fn flow(&mut self) -> Result<(), SRCError> {
        self.subjects().await?;
        self.references().await?;
        self.through_kafka().await?;
        self.missing().await;
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    // guids are for clients that say they know them
    let registry = SrSettings::new_builder(var("REGISTRY"))
        .add_header("Confluent-Accept-Unknown-Properties", "true")
        .build()
        .expect("settings");
    let mut run = Run { registry, kafka: var("KAFKA"), topic: var("TOPIC"), failed: false };
    let read = env::args().nth(1).as_deref() == Some("read");
    if let Err(e) = if read { run.read_everybody().await } else { run.flow().await } {
        println!("not ok - {e}");
        run.failed = true;
    }
    println!("{}", if run.failed { "failed" } else { "done" });
    exit(run.failed as i32);
}
