"""Look at the headers of record batches in Kafka's protocol itself: librdkafka shows no batch that it cannot read."""
