"""Keeps events that nobody may end, redact or forget until a hold is released."""
