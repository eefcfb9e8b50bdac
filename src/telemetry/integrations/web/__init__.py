"""Decide what to record of a web request, and about whom; the same for every framework and server interface."""
