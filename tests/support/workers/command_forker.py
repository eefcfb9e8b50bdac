"""Runs the command again and again, each time in a forked process: all of them share the start of this one."""

from __future__ import annotations

from tests.support.forked_command import serve

serve()
