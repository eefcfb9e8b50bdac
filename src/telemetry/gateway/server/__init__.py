"""Serves the gateway's application over HTTP: sockets, TLS, connections and their end."""
