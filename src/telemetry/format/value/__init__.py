"""Encode and decode the value of a record: CloudEvents attributes around a JWE."""
