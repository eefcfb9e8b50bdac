"""Knows the event loops in which an application may call, asyncio's and trio's."""
