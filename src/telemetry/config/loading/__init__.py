"""Reads a configuration from a file and the environment, in the order of who may say what."""
