"""One measurement in a process of its own: takes a spec, prints one line of JSON."""

from __future__ import annotations

import importlib
import json
import sys

from bench.spec import Spec


def main() -> None:
    spec = Spec.from_json(sys.argv[1])
    area = importlib.import_module(f"bench.{spec.area}")
    print(json.dumps(area.CONTENDERS[spec.contender](spec)))


if __name__ == "__main__":
    main()
