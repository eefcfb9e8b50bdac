"""Configures the keys of subjects, and checks what else they need."""
