"""Gives the tests of ``deploy/`` the fetched programs."""

from __future__ import annotations

from tests.services.deploy_tools import helm, promtool

__all__ = ["helm", "promtool"]
