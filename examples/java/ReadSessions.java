// Prints the snapshots and ends of the output topic as JSON lines: Avro's own library, single-object encoding.
//
//   mvn -q dependency:build-classpath -Dmdep.outputFile=classpath
//   java -cp "$(cat classpath)" ReadSessions.java BOOTSTRAP_SERVERS TOPIC CustomerSession.avsc

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.util.RawValue;
import java.io.File;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.function.Function;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class ReadSessions {
    static final DateTimeFormatter TIME =
        DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);
    static final byte[] NOBODY = "0:".getBytes(UTF_8);

    public static void main(String[] arguments) throws Exception {
        Schema schema = new Schema.Parser().parse(new File(arguments[2]));
        var decoder = new BinaryMessageDecoder<GenericRecord>(GenericData.get(), schema);
        var properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("isolation.level", "read_committed");
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(properties, bytes, bytes)) {
            List<TopicPartition> partitions = consumer.partitionsFor(arguments[1]).stream()
                .map(info -> new TopicPartition(info.topic(), info.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    if (Arrays.equals(record.key(), NOBODY)) {
                        continue; // it only lets Kafka clean what was there before
                    }
                    var said = record.value() == null
                        ? ended(record)
                        : session(decoder.decode(record.value()));
                    System.out.println(new ObjectMapper().writeValueAsString(said));
                }
            }
        }
    }

    /** The document, then what the processor adds; of an item only what it has. */
    static Map<String, Object> session(GenericRecord record) {
        var said = new LinkedHashMap<String, Object>();
        for (Schema.Field field : record.getSchema().getFields()) {
            Object value = record.get(field.pos());
            if (!(value instanceof ByteBuffer)) { // the memory of event ids
                said.put(field.name(), json(field.name(), value));
            }
        }
        return said;
    }

    static Object json(String name, Object value) {
        return switch (name) {
            case "created", "updated" -> TIME.format(Instant.ofEpochMilli((Long) value));
            case "cartItems" -> ((List<?>) value).stream().map(item -> {
                var said = session((GenericRecord) item);
                said.values().removeIf(Objects::isNull);
                return said;
            }).toList();
            // Each value is a JSON text, put in as it stands: to parse it would change 1e999.
            case "attributes" -> value == null ? null
                : named(value, text -> new RawValue(text.toString().replace('\n', ' ').replace('\r', ' ')));
            case "discounts" -> named(value, amount -> amount);
            case "identifiers" -> ((List<?>) value).stream().map(Object::toString).toList();
            default -> value == null || value instanceof Number || value instanceof Boolean
                ? value
                : value.toString();
        };
    }

    static Map<String, Object> named(Object map, Function<Object, Object> change) {
        var said = new LinkedHashMap<String, Object>();
        ((Map<?, ?>) map).forEach((name, value) -> said.put(name.toString(), change.apply(value)));
        return said;
    }

    /** A record without a value: the session has ended, and its next one counts from 1 again. */
    static Map<String, Object> ended(ConsumerRecord<byte[], byte[]> record) {
        var said = new LinkedHashMap<String, Object>();
        said.put("key", record.key() == null ? "" : new String(record.key(), UTF_8));
        said.put("endedBy", header(record, "ended-by"));
        String version = header(record, "version");
        said.put("version", version == null ? null : Long.valueOf(version));
        return said;
    }

    static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        var header = record.headers().lastHeader("session-processor." + name);
        return header == null || header.value() == null ? null : new String(header.value(), UTF_8);
    }
}
