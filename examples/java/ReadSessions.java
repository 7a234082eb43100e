// Prints the snapshots and ends of the output topic as JSON lines: Avro's own library, single-object encoding.
//
//   mvn -q dependency:build-classpath -Dmdep.outputFile=classpath
//   java -cp "$(cat classpath)" ReadSessions.java BOOTSTRAP_SERVERS TOPIC CustomerSession.avsc

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class ReadSessions {
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
                    System.out.println(
                        record.value() == null ? ended(record) : decoder.decode(record.value()));
                }
            }
        }
    }

    /** A record without a value: the session has ended, and its next one counts from 1 again. */
    static String ended(ConsumerRecord<byte[], byte[]> record) throws Exception {
        var said = new LinkedHashMap<String, Object>();
        said.put("key", record.key() == null ? "" : new String(record.key(), UTF_8));
        said.put("endedBy", header(record, "ended-by"));
        String version = header(record, "version");
        said.put("version", version == null ? null : Long.valueOf(version));
        return new ObjectMapper().writeValueAsString(said);
    }

    static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        var header = record.headers().lastHeader("session-processor." + name);
        return header == null || header.value() == null ? null : new String(header.value(), UTF_8);
    }
}
