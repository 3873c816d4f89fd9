"""What a user shows of being there: each session says something, and others see the best of it.

https://docs.discord.com/developers/events/gateway-events#presence
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from services.common.limits import ACTIVITIES, ACTIVITY_TEXT, ACTIVITY_URL

Status = Literal["online", "idle", "dnd", "invisible", "offline"]
Platform = Literal["desktop", "mobile", "web"]
ActivityText = Annotated[str, Meta(max_length=ACTIVITY_TEXT)]

# The first is what others see of several.
_BEST_FIRST: Final[tuple[Status, ...]] = ("online", "dnd", "idle")


class ActivityIn(Struct, frozen=True):
    """What a client says that its user is doing; what else it says of it is ignored."""

    name: ActivityText
    type: Annotated[int, Meta(ge=0, le=5)] = 0
    url: Annotated[str, Meta(max_length=ACTIVITY_URL)] | None = None
    state: ActivityText | None = None
    details: ActivityText | None = None


class PresenceUpdate(Struct, frozen=True):
    """Op 3, and `presence` of op 2. `since` and `afk` decide nothing.

    discord.py sends null for an `online` that nobody has chosen, and in op 2 the one activity as `game`.
    """

    status: Status | None = None
    activities: Annotated[list[ActivityIn], Meta(max_length=ACTIVITIES)] | None = None
    game: ActivityIn | None = None

    @property
    def given(self) -> Collection[ActivityIn]:
        if self.activities is not None:
            return self.activities
        return () if self.game is None else (self.game,)


class Activity(Struct, frozen=True, array_like=True):
    name: str
    type: int
    created_at_ms: int
    url: str | None = None
    state: str | None = None
    details: str | None = None


class SessionPresence(Struct, frozen=True, array_like=True):
    """What one session shows."""

    status: Status = "online"
    activities: tuple[Activity, ...] = ()
    platform: Platform = "web"


class Shown(Struct, frozen=True):
    """What others see of a user."""

    status: Status
    activities: tuple[Activity, ...]
    platforms: tuple[tuple[Platform, Status], ...]


OFFLINE: Final = Shown("offline", (), ())


def presence_of(update: PresenceUpdate | None, platform: Platform, now_ms: int) -> SessionPresence:
    """What a session shows after this update; None: its client has said nothing yet."""
    if update is None:
        return SessionPresence(platform=platform)
    activities = tuple(
        Activity(given.name, given.type, now_ms, given.url, given.state, given.details) for given in update.given
    )
    return SessionPresence(update.status or "online", activities, platform)


def best_of(sessions: Iterable[SessionPresence]) -> Shown:
    """What others see of a user with these sessions. Who is invisible in all of them looks offline."""
    visible = [session for session in sessions if session.status in _BEST_FIRST]
    if not visible:
        return OFFLINE
    platforms: dict[Platform, Status] = {}
    for session in visible:
        before = platforms.get(session.platform, session.status)
        platforms[session.platform] = min(before, session.status, key=_BEST_FIRST.index)
    best = min(visible, key=lambda session: _BEST_FIRST.index(session.status))
    return Shown(best.status, best.activities, tuple(sorted(platforms.items())))


def platform_of(properties: object) -> Platform:
    """From op 2's `properties`, which clients fill as they like. Bots show as `web`, as at Discord."""
    if not isinstance(properties, Mapping):
        return "web"
    said = {str(value).lower() for key in ("os", "browser", "device") if (value := properties.get(key)) is not None}
    if any(word in value for value in said for word in ("android", "ios", "iphone", "mobile")):
        return "mobile"
    return "desktop" if any("desktop" in value for value in said) else "web"
