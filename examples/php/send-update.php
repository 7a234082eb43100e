<?php
// Sends one update as JSON, with Debian's php-cli and librdkafka1 alone:
//   php send-update.php 127.0.0.1:9092 session-updates cart-17
// The service reads it with PROCESSOR_INPUT_FORMATS=avro,json. Where the extension rdkafka is
// installed, RdKafka\ProducerTopic::produce(RD_KAFKA_PARTITION_UA, 0, $value, $key) does the same.
[, $brokers, $topic, $integrationId] = $argv;

$update = [
    'eventId' => bin2hex(random_bytes(16)), // the same one when it is sent again
    'eventTime' => (new DateTimeImmutable())->format(DATE_RFC3339_EXTENDED),
    'applicationId' => 1,
    'integrationId' => $integrationId,
    'cartItems' => [['name' => 'Mug', 'sku' => 'MUG', 'quantity' => 2, 'price' => 9.5]],
    'attributes' => ['channel' => 'web', 'visits' => [1, 2]], // where empty: new stdClass(), not []
];
$value = json_encode($update, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION);
$key = "{$update['applicationId']}:$integrationId";

$kafka = FFI::cdef('
    void *rd_kafka_conf_new(void);
    int rd_kafka_conf_set(void *, const char *, const char *, char *, size_t);
    void *rd_kafka_new(int, void *, char *, size_t);
    void *rd_kafka_topic_new(void *, const char *, void *);
    int rd_kafka_produce(void *, int32_t, int, const char *, size_t, const char *, size_t, void *);
    int rd_kafka_flush(void *, int);', 'librdkafka.so.1');
$conf = $kafka->rd_kafka_conf_new();
// Partitions as Java's clients choose them: all producers of a topic must choose alike.
$given = ['bootstrap.servers' => $brokers, 'partitioner' => 'murmur2_random', 'acks' => 'all'];
foreach ($given as $name => $setting) {
    $kafka->rd_kafka_conf_set($conf, $name, $setting, null, 0) === 0 or exit("$name is wrong\n");
}
$producer = $kafka->rd_kafka_new(0, $conf, null, 0) ?? exit("there is no producer\n");
$sent = $kafka->rd_kafka_topic_new($producer, $topic, null);
$any = -1;
$copy = 2;
$kafka->rd_kafka_produce($sent, $any, $copy, $value, strlen($value), $key, strlen($key), null);
exit($kafka->rd_kafka_flush($producer, 10000) === 0 ? 0 : 'not sent within ten seconds');
