// Sends updates as Avro, and prints those of its own that were rejected: Avro's own library, single-object encoding.
//
//   mvn -q dependency:build-classpath -Dmdep.outputFile=classpath
//   java -cp "$(cat classpath)" Producer.java send BROKERS TOPIC CART SessionUpdate.avsc
//   java -cp "$(cat classpath)" Producer.java letters BROKERS DEAD_LETTERS_TOPIC

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Future;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Producer {
    static final String NAME = "checkout-java"; // in a header of each update, which its dead letter keeps

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("send")) {
            send(arguments[1], arguments[2], arguments[3], new File(arguments[4]));
        } else {
            letters(arguments[1], arguments[2]);
        }
    }

    static void send(String brokers, String topic, String cart, File file) throws Exception {
        Schema schema = new Schema.Parser().parse(file);
        var encoder = new BinaryMessageEncoder<GenericRecord>(GenericData.get(), schema);
        Schema items = schema.getField("cartItems").schema().getTypes().get(1);
        Schema state = schema.getField("state").schema().getTypes().get(1);
        var mug = new GenericRecordBuilder(items.getElementType())
            .set("name", "Mug").set("sku", "MUG").set("quantity", 2).set("price", 9.5).build();
        List<Map<String, Object>> changes = List.of(
            Map.of("cartItems", List.of(mug), "attributes", Map.of("channel", "\"web\"", "visits", "[1, 2]")),
            Map.of("state", new GenericData.EnumSymbol(state, "closed")),
            Map.of("coupon", "LATE")); // a closed session takes none: this one becomes a dead letter
        var bytes = new ByteArraySerializer();
        Map<String, Object> properties = Map.of("bootstrap.servers", brokers);
        try (var producer = new KafkaProducer<byte[], byte[]>(properties, bytes, bytes)) {
            List<Future<?>> sent = new ArrayList<>();
            for (var change : changes) {
                var update = new GenericRecordBuilder(schema)
                    .set("eventId", UUID.randomUUID().toString()) // the same one when it is sent again
                    .set("eventTime", System.currentTimeMillis())
                    .set("applicationId", 1)
                    .set("integrationId", cart);
                change.forEach(update::set);
                var value = encoder.encode(update.build());
                var copy = new byte[value.remaining()];
                value.get(copy);
                var record = new ProducerRecord<>(topic, ("1:" + cart).getBytes(UTF_8), copy);
                record.headers().add("producer", NAME.getBytes(UTF_8));
                sent.add(producer.send(record));
            }
            for (var each : sent) {
                each.get();
            }
        }
    }

    static void letters(String brokers, String topic) throws Exception {
        var bytes = new ByteArrayDeserializer();
        Map<String, Object> properties =
            Map.of("bootstrap.servers", brokers, "isolation.level", "read_committed");
        try (var consumer = new KafkaConsumer<byte[], byte[]>(properties, bytes, bytes)) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(info.topic(), info.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions); // who wants the next ones too does not ask
            while (partitions.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
                for (var letter : consumer.poll(Duration.ofMillis(100))) {
                    if (NAME.equals(header(letter, "producer"))) {
                        var told = new LinkedHashMap<String, Object>();
                        told.put("letter", letter.partition() + ":" + letter.offset());
                        told.put("key", new String(letter.key(), UTF_8));
                        told.put("reason", header(letter, "__streams.errors.exception"));
                        told.put("message", header(letter, "__streams.errors.message"));
                        System.out.println(new ObjectMapper().writeValueAsString(told));
                    }
                }
            }
        }
    }

    static String header(ConsumerRecord<byte[], byte[]> letter, String name) {
        var header = letter.headers().lastHeader(name);
        return header == null || header.value() == null ? null : new String(header.value(), UTF_8);
    }
}
