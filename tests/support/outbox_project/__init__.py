"""A Django project with an outbox; its database and Kafka are in the environment."""
