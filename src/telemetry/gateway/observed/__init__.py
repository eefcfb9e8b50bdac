"""Answers whether the gateway is alive and ready, and with its metrics."""
