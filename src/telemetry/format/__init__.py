"""The published formats as pure functions: bytes in, values out; time and randomness are passed in."""
