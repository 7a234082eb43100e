// Prints a session from Redis as JSON: node read-session.mjs REDIS_URL PREFIX APPLICATION:INTEGRATION
import avro from "avsc";
import { createClient, RESP_TYPES } from "redis";

/** The session as JSON text: the document, then what the processor adds. */
const asJson = ({ eventMemory, ...session }) => object(session, field);
const object = (fields, text) =>
  `{${Object.entries(fields).map(([name, value]) => `${JSON.stringify(name)}:${text(value, name)}`)}}`;
const field = (value, name) => {
  if (name === "created" || name === "updated") return JSON.stringify(new Date(value));
  if (name === "cartItems") return `[${value.map(item)}]`;
  // Each value is a JSON text, put in as it stands: JSON.parse would change 1e999.
  if (name === "attributes") return object(value, (text) => text);
  return JSON.stringify(value);
};
const item = (fields) => {
  const given = Object.entries(fields).filter(([, value]) => value !== null);
  return object(Object.fromEntries(given), field);
};

const [url, prefix, key] = process.argv.slice(2);
const redis = await createClient({ url }).connect();
const bytes = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

const [layout, partitions] = await redis.hmGet(`${prefix}:meta`, ["layout", "partitions"]);
if (layout !== "1") throw new Error("not the layout that this program knows");
const all = [...Array(Number(partitions)).keys()];
// Step 1: each partition's generation. Step 2: the session in it, beside its checkpoint.
const current = await Promise.all(all.map((p) => redis.get(`{${prefix}:${p}}:current`)));
const found = await Promise.all(
  all.map((p) => bytes.hmGet(`{${prefix}:${p}}:sessions:${current[p]}`, ["", key])),
);
const place = found.find(([checkpoint, snapshot]) => checkpoint && snapshot);
if (!place) throw new Error("no such session");
const snapshot = place[1];
const [name, datum] = snapshot[0] // single-object encoding, or 0 and a schema registry's id
  ? [snapshot.subarray(2, 10).toString("hex"), snapshot.subarray(10)]
  : [String(snapshot.readUInt32BE(1)), snapshot.subarray(5)];
const schema = await redis.hGet(`${prefix}:schemas`, name);
const session = avro.Type.forSchema(JSON.parse(schema)).fromBuffer(datum);
console.log(asJson(session));
redis.destroy();
