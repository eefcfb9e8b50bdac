"""Renders HTML for people: one escaping, one style, and charts that need no script."""
