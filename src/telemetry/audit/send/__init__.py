"""Send batches to Kafka, learn what became of each record, divert when Kafka is away."""
