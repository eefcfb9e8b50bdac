"""Passes the opened trail on to another system, and commits what that system has acknowledged."""
