"""What lies in a data directory, beside what each service's config names."""

from typing import Final

LOCK: Final = "lock"
"""Held (flock) by the one Beep that runs on the directory."""
BUS_DATABASE: Final = "bus.db"
INTERNAL_KEY: Final = "keys/internal.pem"
