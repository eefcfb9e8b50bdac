"""Seals events with a subject: their content under the subject's key, and that within the seal of the data key."""
