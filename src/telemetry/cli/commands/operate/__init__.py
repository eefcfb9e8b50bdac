"""Operate a deployment: try, check, and repair it."""
