"""Commands that keep the trail for years: archive, subject."""
