"""Turn the arguments of ``log()`` into an event: check, adjust, write as JSON."""
