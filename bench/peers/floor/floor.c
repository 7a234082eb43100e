/* What Kafka alone costs: the processor's reads, writes and transactions, and nothing in between.
 *
 * floor INPUT OUTPUT BATCH SIZE CONSUMER-PROPERTY... -- PRODUCER-PROPERTY...
 *
 * Takes up to BATCH records that have arrived, sends each one's own value (again and again, up to
 * SIZE bytes) under its key, with its timestamp and to its partition, and commits that with the
 * input's offsets in one transaction. A property is name=value. It ends with a signal or an error.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 30000

static void fail(const char *doing, const char *why) {
    fprintf(stderr, "%s: %s\n", doing, why);
    exit(1);
}

static void must(const char *doing, rd_kafka_error_t *error) {
    if (error != NULL)
        fail(doing, rd_kafka_error_string(error));
}

/* Makes a client of the properties up to "--" or the end, and moves on past them. */
static rd_kafka_t *client(rd_kafka_type_t kind, char ***at) {
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (; **at != NULL && strcmp(**at, "--") != 0; ++*at) {
        char *value = strchr(**at, '=');
        if (value == NULL)
            fail(**at, "no name=value");
        *value++ = '\0';
        if (rd_kafka_conf_set(conf, **at, value, why, sizeof why) != RD_KAFKA_CONF_OK)
            fail(**at, why);
    }
    if (**at != NULL)
        ++*at;
    rd_kafka_t *made = rd_kafka_new(kind, conf, why, sizeof why);
    if (made == NULL)
        fail("making a client", why);
    return made;
}

/* Fills the value with a record's own. */
static void fill(char *value, size_t size, const rd_kafka_message_t *record) {
    for (size_t at = 0; at < size && record->len > 0; at += record->len) {
        size_t left = size - at;
        memcpy(value + at, record->payload, left < record->len ? left : record->len);
    }
}

static void produce(rd_kafka_t *producer, rd_kafka_topic_t *output, char *value, size_t size,
                    const rd_kafka_message_t *record) {
    rd_kafka_resp_err_t error;
    fill(value, size, record);
    while ((error = rd_kafka_producev(
                producer, RD_KAFKA_V_RKT(output), RD_KAFKA_V_PARTITION(record->partition),
                RD_KAFKA_V_KEY(record->key, record->key_len), RD_KAFKA_V_VALUE(value, size),
                RD_KAFKA_V_TIMESTAMP(rd_kafka_message_timestamp(record, NULL)),
                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END)) ==
           RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(producer, 5);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("sending", rd_kafka_err2str(error));
}

/* Takes what has arrived through one transaction. */
static void transact(rd_kafka_t *producer, rd_kafka_topic_t *output, const char *input,
                     rd_kafka_message_t **records, ssize_t count, size_t size,
                     const rd_kafka_consumer_group_metadata_t *member) {
    char *value = calloc(size, 1);
    rd_kafka_topic_partition_list_t *next = rd_kafka_topic_partition_list_new(8);
    must("beginning", rd_kafka_begin_transaction(producer));
    for (ssize_t each = 0; each < count; ++each) {
        const rd_kafka_message_t *record = records[each];
        if (record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            continue;
        if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            fail("reading", rd_kafka_message_errstr(record));
        produce(producer, output, value, size, record);
        rd_kafka_topic_partition_t *place =
            rd_kafka_topic_partition_list_find(next, input, record->partition);
        if (place == NULL)
            place = rd_kafka_topic_partition_list_add(next, input, record->partition);
        place->offset = record->offset + 1;
    }
    must("flushing", rd_kafka_flush(producer, WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR
                         ? NULL
                         : rd_kafka_error_new(RD_KAFKA_RESP_ERR__TIMED_OUT, "late"));
    must("sending offsets",
         rd_kafka_send_offsets_to_transaction(producer, next, member, WAIT_MS));
    must("committing", rd_kafka_commit_transaction(producer, WAIT_MS));
    rd_kafka_topic_partition_list_destroy(next);
    free(value);
}

int main(int count, char **arguments) {
    if (count < 6)
        fail("floor", "INPUT OUTPUT BATCH SIZE CONSUMER-PROPERTY... -- PRODUCER-PROPERTY...");
    const char *input = arguments[1];
    size_t batch = strtoul(arguments[3], NULL, 10), size = strtoul(arguments[4], NULL, 10);
    char **at = arguments + 5;
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, &at);
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, &at);
    rd_kafka_topic_t *output = rd_kafka_topic_new(producer, arguments[2], NULL);
    rd_kafka_message_t **records = calloc(batch, sizeof *records);
    must("starting a producer", rd_kafka_init_transactions(producer, WAIT_MS));
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, input, RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_subscribe(consumer, topics);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    while (1) {
        rd_kafka_consumer_group_metadata_t *member = rd_kafka_consumer_group_metadata(consumer);
        ssize_t taken = rd_kafka_consume_batch_queue(queue, 1000, records, 1);
        if (taken > 0 && batch > 1)
            taken += rd_kafka_consume_batch_queue(queue, 0, records + 1, batch - 1);
        if (taken > 0)
            transact(producer, output, input, records, taken, size, member);
        for (ssize_t each = 0; each < taken; ++each)
            rd_kafka_message_destroy(records[each]);
        rd_kafka_consumer_group_metadata_destroy(member);
    }
}
