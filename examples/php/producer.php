<?php
// Sends updates as JSON, and prints those of its own that were rejected, with Debian's php-cli and librdkafka1 alone:
//   php producer.php send BROKERS TOPIC CART
//   php producer.php letters BROKERS DEAD_LETTERS_TOPIC
// The service reads them with PROCESSOR_INPUT_FORMATS=avro,json. Where the extension rdkafka is installed,
// RdKafka\ProducerTopic::producev(RD_KAFKA_PARTITION_UA, 0, $value, $key, $headers) does the same.
[, $command, $brokers, $topic] = $argv;
const NAME = 'checkout-php'; // in a header of each update, which its dead letter keeps
const PRODUCER = 0, CONSUMER = 1;
const TOPIC = 1, VALUE = 4, KEY = 5, FLAGS = 7, HEADER = 9; // what an argument of producev is
const COPY = 2, END_OF_PARTITION = -191;

$kafka = FFI::cdef('
    typedef struct { int err; void *topic; int32_t partition; void *value; size_t len; void *key; size_t key_len;
        int64_t offset; void *opaque; } message;
    typedef struct { int cnt; int size; void *elems; } partitions;
    void *rd_kafka_conf_new(void);
    int rd_kafka_conf_set(void *, const char *, const char *, char *, size_t);
    void *rd_kafka_new(int, void *, char *, size_t);
    int rd_kafka_producev(void *, ...);
    int rd_kafka_flush(void *, int);
    partitions *rd_kafka_topic_partition_list_new(int);
    void *rd_kafka_topic_partition_list_add(partitions *, const char *, int32_t);
    int rd_kafka_subscribe(void *, partitions *);
    int rd_kafka_assignment(void *, partitions **);
    message *rd_kafka_consumer_poll(void *, int);
    int rd_kafka_message_headers(message *, void **);
    int rd_kafka_header_get_last(void *, const char *, char **, size_t *);
    void rd_kafka_message_destroy(message *);
    int rd_kafka_consumer_close(void *);', 'librdkafka.so.1');

function client(int $kind, array $settings): FFI\CData
{
    global $kafka;
    $conf = $kafka->rd_kafka_conf_new();
    foreach ($settings as $name => $setting) {
        $kafka->rd_kafka_conf_set($conf, $name, $setting, null, 0) === 0 or exit("$name is wrong\n");
    }
    return $kafka->rd_kafka_new($kind, $conf, null, 0) ?? exit("there is no client\n");
}

function leave(int $code): void
{
    // At its usual end PHP lets go of the library while threads of the client still run in it.
    FFI::cdef('void _exit(int);', 'libc.so.6')->_exit($code);
}

function send(string $brokers, string $topic, string $integrationId): void
{
    global $kafka;
    // Partitions as Java's clients choose them: all producers of a topic must choose alike.
    $producer = client(PRODUCER, ['bootstrap.servers' => $brokers, 'partitioner' => 'murmur2_random',
        'enable.idempotence' => 'true']);
    $key = "1:$integrationId";
    $changes = [
        [
            'cartItems' => [['name' => 'Mug', 'sku' => 'MUG', 'quantity' => 2, 'price' => 9.5]],
            'attributes' => ['channel' => 'web', 'visits' => [1, 2]], // where empty: new stdClass(), not []
        ],
        ['state' => 'closed'],
        ['coupon' => 'LATE'], // a closed session takes none: this one becomes a dead letter
    ];
    foreach ($changes as $change) {
        $value = json_encode([
            'eventId' => bin2hex(random_bytes(16)), // the same one when it is sent again
            'eventTime' => (new DateTimeImmutable())->format(DATE_RFC3339_EXTENDED),
            'applicationId' => 1,
            'integrationId' => $integrationId,
            ...$change,
        ], JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION);
        $kafka->rd_kafka_producev($producer, TOPIC, $topic, VALUE, $value, strlen($value), KEY, $key, strlen($key),
            FLAGS, COPY, HEADER, 'producer', NAME, strlen(NAME), 0) === 0 or exit("not sent\n");
    }
    $sent = $kafka->rd_kafka_flush($producer, 30000) === 0;
    echo $sent ? '' : "not sent within 30 seconds\n";
    leave($sent ? 0 : 1);
}

function said(FFI\CData $letter, string $name): ?string
{
    global $kafka;
    [$headers, $at, $size] = [$kafka->new('void *'), $kafka->new('char *'), $kafka->new('size_t')];
    $kafka->rd_kafka_message_headers($letter, FFI::addr($headers));
    $found = $kafka->rd_kafka_header_get_last($headers, $name, FFI::addr($at), FFI::addr($size)) === 0;
    return $found && !FFI::isNull($at) ? FFI::string($at, $size->cdata) : null;
}

function letters(string $brokers, string $topic): void
{
    global $kafka;
    $consumer = client(CONSUMER, ['bootstrap.servers' => $brokers, 'group.id' => NAME, 'enable.auto.commit' => 'false',
        'auto.offset.reset' => 'earliest', 'isolation.level' => 'read_committed', 'enable.partition.eof' => 'true']);
    $topics = $kafka->rd_kafka_topic_partition_list_new(1);
    $kafka->rd_kafka_topic_partition_list_add($topics, $topic, -1);
    $kafka->rd_kafka_subscribe($consumer, $topics);
    $assigned = $kafka->new('partitions *');
    for ($ended = []; $ended === [] || count($ended) < $assigned->cnt;) { // to the end; who wants more goes on here
        $letter = $kafka->rd_kafka_consumer_poll($consumer, 1000);
        if ($letter === null) {
            continue;
        }
        if ($letter->err === END_OF_PARTITION) {
            $ended[$letter->partition] = true;
            $kafka->rd_kafka_assignment($consumer, FFI::addr($assigned));
        } elseif ($letter->err === 0 && said($letter, 'producer') === NAME) {
            echo json_encode([
                'letter' => "$letter->partition:$letter->offset",
                'key' => FFI::string($kafka->cast('char *', $letter->key), $letter->key_len),
                'reason' => said($letter, '__streams.errors.exception'),
                'message' => said($letter, '__streams.errors.message'),
            ]), "\n";
        }
        $kafka->rd_kafka_message_destroy($letter);
    }
    $kafka->rd_kafka_consumer_close($consumer);
    leave(0);
}

$command === 'send' ? send($brokers, $topic, $argv[4]) : letters($brokers, $topic);
