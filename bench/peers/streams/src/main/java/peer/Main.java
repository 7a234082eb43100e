package peer;

import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Arguments: bootstrap servers, application id, topics of input, output and dead letters, state
 * directory, and {@code documented} or {@code tuned}: each snapshot encoded once, and the store
 * behind Kafka Streams' record cache.
 */
public final class Main {
  public static void main(String[] args) throws InterruptedException {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, args[5]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");

    boolean tuned = args[6].equals("tuned");
    Serde<Snapshot> snapshots = Snapshot.serde(tuned);
    StoreBuilder<KeyValueStore<String, Snapshot>> store = Stores.keyValueStoreBuilder(
        Stores.persistentKeyValueStore(Fold.STORE), Serdes.String(), snapshots);
    if (tuned) store.withCachingEnabled();

    Topology topology = new Topology();
    topology.addSource(
        "updates", new StringDeserializer(), new ByteArrayDeserializer(), args[2]);
    topology.addProcessor("fold", Fold::new, "updates");
    topology.addStateStore(store, "fold");
    topology.addSink(
        Fold.SESSIONS, args[3], new StringSerializer(), snapshots.serializer(), "fold");
    topology.addSink(
        Fold.LETTERS, args[4], new StringSerializer(), new ByteArraySerializer(), "fold");

    KafkaStreams streams = new KafkaStreams(topology, settings);
    CountDownLatch ended = new CountDownLatch(1);
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) {
        ended.countDown();
      }
    });
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
    ended.await();
    if (streams.state() == KafkaStreams.State.ERROR) Runtime.getRuntime().halt(1);
  }
}
