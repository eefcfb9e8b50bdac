"""Bring stored objects back to the topic, and delete them only then."""
