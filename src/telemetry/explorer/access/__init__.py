"""Decides who may see what, and records each look in the trail."""
