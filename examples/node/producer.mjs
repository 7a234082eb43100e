// Sends updates as JSON, one of them as a CloudEvent, and prints those of its own that were rejected:
//   node producer.mjs send BROKERS TOPIC CART
//   node producer.mjs letters BROKERS DEAD_LETTERS_TOPIC
// The service reads both with PROCESSOR_INPUT_FORMATS=avro,json,cloudevents.
import { randomUUID } from "node:crypto";
import kafkajs from "kafkajs";
import lz4 from "lz4js";

const { CompressionCodecs, CompressionTypes, Kafka, logLevel, Partitioners } = kafkajs;
const [command, brokers, topic, integrationId] = process.argv.slice(2);
const NAME = "checkout-node"; // in a header of each update, which its dead letter keeps
const kafka = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.ERROR });

async function send() {
  // The default partitioner is Java's, murmur2; all producers of a topic must have the same.
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const session = { applicationId: 1, integrationId };
  const event = () => ({ eventId: randomUUID(), eventTime: Date.now() }); // the same id when it is sent again
  const opened = {
    ...event(),
    ...session,
    cartItems: [{ name: "Mug", sku: "MUG", quantity: 2, price: 9.5 }],
    attributes: { channel: "web", visits: [1, 2] },
  };
  const closed = { ...session, state: "closed" };
  const late = { ...event(), ...session, coupon: "LATE" }; // a closed session takes none: a dead letter
  const cloudEvent = {
    ce_specversion: "1.0",
    ce_id: randomUUID(),
    ce_source: "/shop",
    ce_type: "cart.closed",
    ce_time: new Date().toISOString(),
  };
  const message = (update, headers) => ({
    key: `${session.applicationId}:${integrationId}`,
    value: JSON.stringify(update),
    headers: { producer: NAME, ...headers },
  });
  await producer.connect();
  await producer.send({ topic, messages: [message(opened), message(closed, cloudEvent), message(late)] });
  await producer.disconnect();
}

async function letters() {
  // What the processor writes is compressed with LZ4, which kafkajs alone cannot read.
  CompressionCodecs[CompressionTypes.LZ4] = () => ({ decompress: async (bytes) => Buffer.from(lz4.decompress(bytes)) });
  const admin = kafka.admin();
  await admin.connect();
  const ends = (await admin.fetchTopicOffsets(topic)).filter(({ low, high }) => low !== high);
  await admin.disconnect();
  const left = new Map(ends.map(({ partition, high }) => [partition, BigInt(high)]));
  if (!left.size) return;
  const consumer = kafka.consumer({ groupId: NAME });
  const done = new Promise((resolve) => { // to the end; who wants the next ones too leaves this out
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
      if (BigInt(lastOffset) + 1n >= left.get(partition)) left.delete(partition);
      if (!left.size) resolve();
    });
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message: { headers, key, offset } }) => {
      if (headers.producer?.toString() !== NAME) return;
      const [reason, message] = ["exception", "message"].map((name) => `${headers[`__streams.errors.${name}`]}`);
      console.log(JSON.stringify({ letter: `${partition}:${offset}`, key: `${key}`, reason, message }));
    },
  });
  await done;
  await consumer.disconnect();
}

await { send, letters }[command]();
