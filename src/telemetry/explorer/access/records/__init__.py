"""Writes into the trail what persons do in the explorer."""
