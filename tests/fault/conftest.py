"""Provides the emulated store that the fault tests use."""

from __future__ import annotations

from tests.services.store_fixtures import moto_s3

__all__ = ["moto_s3"]
