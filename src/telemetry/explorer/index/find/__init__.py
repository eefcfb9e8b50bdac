"""Finds rows: by columns first, and by the events themselves where no column says enough."""
