"""Seal payload and identity of an event under a key of its subject, inside the seal of the event (docs/adr/0045)."""
