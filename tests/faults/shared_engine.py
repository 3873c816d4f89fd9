"""Beep whose embedded engine is shared by several authz processes, as Permify is: where there is no Permify, the lane
is tested on it. SQLite serves several processes; the lease sees to it that one of them writes.

Run as `python -m tests.faults.shared_engine run authz …`.
"""

from collections.abc import Mapping
from dataclasses import replace

from services.authz.config import Settings
from services.cli.__main__ import main

_chosen = Settings.from_environment


def _shared(environment: Mapping[str, str]) -> Settings:
    return replace(_chosen(environment), shared=True)


if __name__ == "__main__":
    Settings.from_environment = _shared  # type: ignore[method-assign,assignment]
    main()
