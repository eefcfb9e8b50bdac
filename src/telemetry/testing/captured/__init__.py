"""Captures the events of an application in its tests, and says which of them are as expected."""
