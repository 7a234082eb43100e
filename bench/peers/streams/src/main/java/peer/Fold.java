package peer;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import sessions.CartItem;
import sessions.CustomerSession;
import sessions.SessionUpdate;
import sessions.State;

/**
 * The fold in its essentials: duplicates, transitions, merge, total, the reasons of dead letters.
 * Profile claims and the checks of values are left out, which favours this peer.
 */
final class Fold implements Processor<String, byte[], String, Object> {
  static final String STORE = "state";
  static final String SESSIONS = "sessions";
  static final String LETTERS = "letters";
  private static final int HASH = 8;
  private static final int REMEMBERED = 16;
  private static final double EXACT = 0x1p53;

  private final BinaryMessageDecoder<SessionUpdate> updates = SessionUpdate.getDecoder();
  private ProcessorContext<String, Object> context;
  private KeyValueStore<String, Snapshot> store;

  @Override
  public void init(ProcessorContext<String, Object> given) {
    context = given;
    store = given.getStateStore(STORE);
  }

  @Override
  public void process(Record<String, byte[]> record) {
    SessionUpdate update = read(record.value());
    if (update == null) {
      reject(record, "undecodable");
      return;
    }
    Snapshot known = store.get(record.key());
    CustomerSession session = known == null ? unborn(update) : known.session;
    long event = hash(update.getEventId());
    if (remembers(session.getEventMemory(), event)) return;
    String refused = refused(session, update);
    if (refused != null) {
      reject(record, refused);
      return;
    }
    apply(session, update, event);
    session.setInputOffset(context.recordMetadata().orElseThrow().offset());
    Snapshot snapshot = new Snapshot(session);
    store.put(record.key(), snapshot);
    context.forward(record.withValue(snapshot), SESSIONS);
  }

  /** Returns null for what is not an update of the present schema. */
  private SessionUpdate read(byte[] value) {
    try {
      return value == null ? null : updates.decode(value);
    } catch (IOException | RuntimeException unreadable) {
      return null; // Avro raises what its many parts raise
    }
  }

  private void reject(Record<String, byte[]> record, String reason) {
    RecordMetadata at = context.recordMetadata().orElseThrow();
    Headers headers = new RecordHeaders(record.headers());
    add(headers, "exception", reason);
    add(headers, "topic", at.topic());
    add(headers, "partition", Integer.toString(at.partition()));
    add(headers, "offset", Long.toString(at.offset()));
    context.forward(record.withHeaders(headers), LETTERS);
  }

  private static void add(Headers headers, String name, String text) {
    headers.add("__streams.errors." + name, text.getBytes(StandardCharsets.UTF_8));
  }

  private static CustomerSession unborn(SessionUpdate update) {
    CustomerSession session = new CustomerSession();
    session.setIntegrationId(update.getIntegrationId());
    session.setCreated(update.getEventTime());
    session.setApplicationId(update.getApplicationId());
    session.setProfileId("");
    session.setCoupon("");
    session.setReferral("");
    session.setState(State.open);
    session.setCartItems(List.of());
    session.setIdentifiers(List.of());
    session.setAttributes(Map.of());
    session.setDiscounts(Map.of());
    session.setFirstSession(true);
    session.setEventMemory(ByteBuffer.allocate(0));
    return session;
  }

  private static long hash(String eventId) {
    return SchemaNormalization.fingerprint64(eventId.getBytes(StandardCharsets.UTF_8));
  }

  /** Returns why the update is rejected; null where it is not. */
  private static String refused(CustomerSession session, SessionUpdate update) {
    State state = update.getState();
    if (session.getVersion() == 0) {
      return state == null || state == State.open ? null : "unknown-session";
    }
    if (state != null && !mayFollow(session.getState(), state)) return "transition-not-allowed";
    return session.getState() != State.open && changesFields(update) ? "session-not-open" : null;
  }

  private static void apply(CustomerSession session, SessionUpdate update, long event) {
    State state = update.getState();
    session.setPreviousState(session.getVersion() == 0 ? null : session.getState());
    if (state != null) session.setState(state);
    if (update.getProfileId() != null) session.setProfileId(update.getProfileId());
    if (update.getCoupon() != null) session.setCoupon(update.getCoupon());
    if (update.getReferral() != null) session.setReferral(update.getReferral());
    if (update.getIdentifiers() != null) session.setIdentifiers(update.getIdentifiers());
    List<CartItem> cart = update.getCartItems();
    if (cart != null) session.setCartItems(cart);
    if (update.getTotal() != null) session.setTotal(update.getTotal() + 0.0);
    else if (cart != null) session.setTotal(sum(cart));
    session.setAttributes(merged(session.getAttributes(), update.getAttributes()));
    session.setDiscounts(merged(session.getDiscounts(), update.getDiscounts()));
    session.setVersion(session.getVersion() + 1);
    session.setUpdated(update.getEventTime());
    session.setLastEventId(update.getEventId());
    session.setEventMemory(remember(session.getEventMemory(), event));
  }

  private static boolean mayFollow(State now, State named) {
    return now == named
        || now == State.open
        || now == State.closed && named == State.cancelled;
  }

  private static boolean changesFields(SessionUpdate update) {
    return update.getProfileId() != null || update.getCoupon() != null
        || update.getReferral() != null || update.getCartItems() != null
        || update.getIdentifiers() != null || update.getTotal() != null
        || update.getAttributes() != null || update.getDiscounts() != null;
  }

  private static double sum(List<CartItem> cart) {
    double total = 0;
    for (CartItem item : cart) total += item.getPrice() * item.getQuantity();
    double micros = total * 1e6;
    return (Math.abs(micros) < EXACT ? Math.rint(micros) / 1e6 : total) + 0.0;
  }

  private static <V> Map<String, V> merged(Map<String, V> before, Map<String, V> change) {
    if (change == null || change.isEmpty()) return before;
    Map<String, V> after = new HashMap<>(before);
    change.forEach((key, value) -> {
      if (value == null) after.remove(key);
      else after.put(key, value);
    });
    return after;
  }

  private static boolean remembers(ByteBuffer memory, long event) {
    ByteBuffer view = memory.duplicate();
    while (view.remaining() >= HASH) if (view.getLong() == event) return true;
    return false;
  }

  private static ByteBuffer remember(ByteBuffer memory, long event) {
    int kept = Math.min(memory.remaining(), HASH * (REMEMBERED - 1));
    ByteBuffer after = ByteBuffer.allocate(kept + HASH);
    ByteBuffer view = memory.duplicate();
    view.position(view.limit() - kept);
    return after.put(view).putLong(event).flip();
  }
}
