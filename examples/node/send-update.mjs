// Sends one update as JSON, and one as a CloudEvent in binary mode:
//   node send-update.mjs 127.0.0.1:9092 session-updates cart-17
// The service reads both with PROCESSOR_INPUT_FORMATS=avro,json,cloudevents.
import { randomUUID } from "node:crypto";
import { Kafka, logLevel, Partitioners } from "kafkajs";

const [brokers, topic, integrationId] = process.argv.slice(2);
const kafka = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.ERROR });
// The default partitioner is Java's, murmur2; all producers of a topic must have the same.
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });

const session = { applicationId: 1, integrationId };
const key = `${session.applicationId}:${session.integrationId}`;
const update = {
  eventId: randomUUID(), // the same one when it is sent again
  eventTime: Date.now(),
  ...session,
  cartItems: [{ name: "Mug", sku: "MUG", quantity: 2, price: 9.5 }],
  attributes: { channel: "web", visits: [1, 2] },
};
const headers = {
  ce_specversion: "1.0",
  ce_id: randomUUID(),
  ce_source: "/shop",
  ce_type: "cart.closed",
  ce_time: new Date().toISOString(),
};

await producer.connect();
await producer.send({
  topic,
  messages: [
    { key, value: JSON.stringify(update) },
    { key, value: JSON.stringify({ ...session, state: "closed" }), headers },
  ],
});
await producer.disconnect();
