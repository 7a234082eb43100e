//! Sends updates as Avro, and prints those of its own that were rejected:
//!
//! ```text
//! cargo run send BROKERS TOPIC CART SessionUpdate.avsc schemas.json
//! cargo run letters BROKERS DEAD_LETTERS_TOPIC
//! ```
//!
//! The files are `schemas/SessionUpdate.avsc` and `contract/schemas.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::read_to_string;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apache_avro::{Schema, to_avro_datum, to_value};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// In a header of each update, which its dead letter keeps.
const NAME: &str = "checkout-rust";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["send", brokers, topic, cart, schema, prefixes] => {
            send(brokers, topic, cart, schema, prefixes)
        }
        ["letters", brokers, topic] => letters(brokers, topic),
        _ => Err("see the top of the source".into()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Closed,
}

#[derive(Default, Serialize)]
struct Item {
    name: String,
    sku: String,
    quantity: i32,
    price: f64,
    category: Option<String>,
    weight: Option<f64>,
    height: Option<f64>,
    width: Option<f64>,
    length: Option<f64>,
    position: Option<f64>,
    attributes: Option<BTreeMap<String, String>>,
}

/// `None` leaves a field as it is.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    event_id: String,
    event_time: i64,
    application_id: i32,
    integration_id: String,
    profile_id: Option<String>,
    coupon: Option<String>,
    referral: Option<String>,
    state: Option<State>,
    cart_items: Option<Vec<Item>>,
    identifiers: Option<Vec<String>>,
    total: Option<f64>,
    attributes: Option<BTreeMap<String, Option<String>>>,
    discounts: Option<BTreeMap<String, Option<f64>>>,
}

/// Keeps why an update was not delivered.
#[derive(Default)]
struct Delivery {
    failed: Mutex<Option<KafkaError>>,
}

impl ClientContext for Delivery {}

impl ProducerContext for Delivery {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult, _: ()) {
        if let Err((error, _)) = result {
            *self.failed.lock().unwrap() = Some(error.clone());
        }
    }
}

fn send(brokers: &str, topic: &str, cart: &str, schema: &str, prefixes: &str) -> Outcome {
    let schema = Schema::parse_str(&read_to_string(schema)?)?;
    // The ten bytes before a datum: apache-avro computes others, since its canonical form keeps more.
    let known: Value = serde_json::from_str(&read_to_string(prefixes)?)?;
    let prefix = known["schemas/SessionUpdate.avsc"]["prefix"].as_str();
    let prefix = bytes(prefix.ok_or("the schema is not there")?)?;
    // Partitions as Java's clients choose them: all producers of a topic must choose alike.
    let producer: BaseProducer<_> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("partitioner", "murmur2_random")
        .set("enable.idempotence", "true")
        .create_with_context(Delivery::default())?;
    let text = |value: &str| Some(value.to_owned());
    let mug = Item {
        name: "Mug".to_owned(),
        sku: "MUG".to_owned(),
        quantity: 2,
        price: 9.5,
        ..Item::default()
    };
    let attributes = [("channel", r#""web""#), ("visits", "[1, 2]")];
    let changes = [
        Update {
            cart_items: Some(vec![mug]),
            attributes: Some(
                attributes
                    .map(|(key, value)| (key.to_owned(), text(value)))
                    .into(),
            ),
            ..Update::default()
        },
        Update {
            state: Some(State::Closed),
            ..Update::default()
        },
        // A closed session takes none: this one becomes a dead letter.
        Update {
            coupon: text("LATE"),
            ..Update::default()
        },
    ];
    for change in changes {
        let update = Update {
            event_id: Uuid::new_v4().to_string(), // the same one when it is sent again
            event_time: SystemTime::now()
                .duration_since(UNIX_EPOCH)?
                .as_millis()
                .try_into()?,
            application_id: 1,
            integration_id: cart.to_owned(),
            ..change
        };
        // `to_avro_datum` holds it against the schema; `write_avro_datum_ref` would not.
        let value = [&prefix[..], &to_avro_datum(&schema, to_value(update)?)?].concat();
        let key = format!("1:{cart}");
        let own = Header {
            key: "producer",
            value: Some(NAME),
        };
        let headers = OwnedHeaders::new().insert(own);
        let record = BaseRecord::to(topic)
            .key(&key)
            .payload(&value)
            .headers(headers);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(30))?;
    match producer.context().failed.lock().unwrap().take() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn bytes(hex: &str) -> Outcome<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2);
    Ok(pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16))
        .collect::<Result<_, _>>()?)
}

fn letters(brokers: &str, topic: &str) -> Outcome {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", NAME)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10))?;
    let partitions = metadata.topics()[0].partitions();
    let mut left: BTreeSet<i32> = partitions.iter().map(|each| each.id()).collect();
    let mut all = TopicPartitionList::new();
    for &partition in &left {
        all.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    // To the end; who wants the next ones too goes on here.
    while !left.is_empty() {
        match consumer.poll(Duration::from_secs(1)) {
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                left.remove(&partition);
            }
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(letter)) if header(&letter, "producer").as_deref() == Some(NAME) => {
                let told = json!({
                    "letter": format!("{}:{}", letter.partition(), letter.offset()),
                    "key": letter.key().map(String::from_utf8_lossy),
                    "reason": header(&letter, "__streams.errors.exception"),
                    "message": header(&letter, "__streams.errors.message"),
                });
                println!("{told}");
            }
            Some(Ok(_)) | None => {}
        }
    }
    Ok(())
}

fn header(letter: &impl Message, name: &str) -> Option<String> {
    let found = letter.headers()?.iter().find(|each| each.key == name)?;
    Some(String::from_utf8_lossy(found.value?).into_owned())
}
