"""Configures Kafka's client, translates its errors and log lines, and finds out why Kafka cannot be used."""
