"""Read requests within bounds: bodies, JSON, preferences and idempotency keys."""
