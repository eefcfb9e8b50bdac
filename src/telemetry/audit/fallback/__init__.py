"""Keep events in order while Kafka is away: in the fallback store, or in memory."""
