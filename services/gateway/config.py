"""Settings of the gateway, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from services.common import limits

DATABASE: Final = "gateway.db"
REPLAY_FILE: Final = "gateway.replay"
MIN_HEARTBEAT_INTERVAL_MS: Final = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """Durations are in seconds, sizes in bytes.

    Attributes:
        port: where to listen, 0 for a free one; None: whoever built the gateway accepts its connections.
        public_url: what clients are told to resume at (ws:// or wss://, no query); empty: as bound.
        presence_grace: a client that lost its connection counts as there for this long.
        stalled_after: a client that takes nothing for this long is closed.
        backlog_events: so many events that a slow client has not taken, and it is closed; it may still resume.
        lingering: how long a client may take to close its side after it was told why.
        starts_at_once: sessions that are being identified or resumed at the same time; others wait their turn.
        sessions_per_user: with a connection or waiting for one; past it the one that was left longest ago is forgotten.
        recent_bytes: dispatches kept in memory to send them again.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    public_url: str = ""
    heartbeat_interval: float = limits.HEARTBEAT_INTERVAL_MS / 1000
    identify_timeout: float = limits.IDENTIFY_TIMEOUT
    handshake_timeout: float = 10.0
    resume_window: float = limits.RESUME_WINDOW
    presence_grace: float = 10.0
    stalled_after: float = 20.0
    backlog_events: int = limits.REPLAY_EVENTS // 2
    lingering: float = 15.0
    starts_at_once: int = 64
    sessions_per_user: int = 1000
    recent_bytes: int = 16 * 1024 * 1024

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], *, public_url: str = "", host: str = "127.0.0.1", port: int | None = None
    ) -> Self:
        """Raises ValueError for a value that means nothing."""
        text = environment.get("BEEP_HEARTBEAT_INTERVAL_MS", str(limits.HEARTBEAT_INTERVAL_MS))
        if not (text.isascii() and text.isdecimal()) or int(text) < MIN_HEARTBEAT_INTERVAL_MS:
            raise ValueError(f"BEEP_HEARTBEAT_INTERVAL_MS is {MIN_HEARTBEAT_INTERVAL_MS} at least, not {text!r}")
        return cls(host=host, port=port, public_url=public_url, heartbeat_interval=int(text) / 1000)
