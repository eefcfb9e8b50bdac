"""Runs the ``telemetry`` command for ``python -m telemetry``."""

from telemetry.cli import main

if __name__ == "__main__":
    main()
