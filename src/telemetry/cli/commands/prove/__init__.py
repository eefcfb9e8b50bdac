"""Verify the trail and prove single events to others."""
