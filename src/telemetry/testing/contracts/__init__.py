"""Test suites that every provider must pass."""
