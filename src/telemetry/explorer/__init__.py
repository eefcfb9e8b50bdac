"""The explorer: shows the trail in a browser, and records who looked at what."""
