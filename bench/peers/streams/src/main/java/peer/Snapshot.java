package peer;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import sessions.CustomerSession;

/** A session as it is stored and published. */
final class Snapshot {
  private static final BinaryMessageEncoder<CustomerSession> ENCODER = CustomerSession.getEncoder();
  private static final BinaryMessageDecoder<CustomerSession> DECODER = CustomerSession.getDecoder();

  final CustomerSession session;
  private byte[] bytes;

  Snapshot(CustomerSession session) {
    this.session = session;
  }

  /**
   * As serdes usually are, each writer encodes anew: the store, then the sink. With {@code once}
   * the sink takes the bytes that the store made, for which the session must not change meanwhile.
   */
  static Serde<Snapshot> serde(boolean once) {
    return Serdes.serdeFrom(
        (topic, snapshot) -> once ? snapshot.encodedOnce() : snapshot.encoded(),
        (topic, bytes) -> bytes == null ? null : decoded(bytes));
  }

  private byte[] encodedOnce() {
    if (bytes == null) bytes = encoded();
    return bytes;
  }

  private byte[] encoded() {
    try {
      ByteBuffer buffer = ENCODER.encode(session);
      byte[] encoded = new byte[buffer.remaining()];
      buffer.get(encoded);
      return encoded;
    } catch (IOException broken) {
      throw new UncheckedIOException(broken);
    }
  }

  private static Snapshot decoded(byte[] bytes) {
    try {
      return new Snapshot(DECODER.decode(bytes));
    } catch (IOException broken) {
      throw new UncheckedIOException(broken);
    }
  }
}
