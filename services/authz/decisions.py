"""Every decision that the service answers. A warm one is a few look-ups in dictionaries and suspends nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from services.authz.domain.rights import KNOWN, VIEW, rights_in
from services.authz.pinning import Instant, Pinning, PrivatePin
from services.authz.waves import Caller, Waves


class Outcome(Enum):
    ALLOWED = "allowed"
    DENIED = "denied"
    """A member, who lacks something."""
    HIDDEN = "hidden"
    """No member, or there is no such server or channel: callers must not tell which."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one question.

    Attributes:
        missing: the required bits that are not granted, VIEW_CHANNEL if the channel cannot be viewed, and all of those
            of which one would have been enough.
        granted: the optional bits, and those of which one is enough, that are granted.
        role_ids: the caller's roles, sorted, without @everyone.
        parent_channel_id: of a thread, the channel that it hangs on.
        participant_ids: of a private channel, sorted.
        pinned: of a denial, the instant that it is true of.
    """

    outcome: Outcome
    missing: int = 0
    granted: int = 0
    server_id: int = 0
    role_ids: tuple[int, ...] = ()
    is_owner: bool = False
    parent_channel_id: int = 0
    archived: bool = False
    participant_ids: tuple[int, ...] = ()
    pinned: Instant | PrivatePin | None = None


@dataclass(frozen=True, slots=True)
class MemberPermissions:
    """What a member may do, as bit masks on the server and, by channel id, in channels of that server."""

    is_owner: bool
    role_ids: tuple[int, ...]
    server: int
    channels: tuple[tuple[int, int], ...]


_HIDDEN: Final = Decision(Outcome.HIDDEN)


class Decisions:
    def __init__(self, pinning: Pinning, waves: Waves) -> None:
        self._pinning = pinning
        self._waves = waves

    async def authorize_on_server(
        self, user_id: int, server_id: int, *, required: int, any_of: int = 0, optional: int = 0
    ) -> Decision:
        """May the user do all of `required` and one of `any_of` on the server? Raises ValueError for an unknown bit."""
        (instant,) = self._pinning.members((user_id,), server_id)
        wanted = required | any_of | optional
        caller = await self._waves.caller(instant, wanted)
        if caller is None:
            return _HIDDEN
        granted = await self._waves.granted_on_server(caller, wanted)
        return _decide(caller, instant, _missing(required, any_of, granted), (any_of | optional) & granted)

    async def authorize_in_channel(
        self, user_id: int, channel_id: int, *, required: int, any_of: int = 0, optional: int = 0
    ) -> Decision:
        """May the user view the channel and do all of `required` and one of `any_of` in it?

        Raises ValueError for an unknown bit.
        """
        required |= VIEW.mask
        instant = await self._pinning.in_channel(user_id, channel_id)
        if isinstance(instant, PrivatePin):
            return await self._in_private(instant, required, any_of, optional)
        wanted = required | any_of | optional
        caller = None if instant is None else await self._waves.caller(instant, wanted)
        if instant is None or caller is None:
            return _HIDDEN
        (channel,) = instant.channels
        granted = await self._waves.granted(caller, channel, wanted)
        decision = _decide(caller, instant, _missing(required, any_of, granted), (any_of | optional) & granted)
        if channel.thread is None:
            return decision
        return replace(decision, parent_channel_id=channel.channel_id, archived=channel.thread.archived)

    async def _in_private(self, pin: PrivatePin, required: int, any_of: int, optional: int) -> Decision:
        if pin.user_id not in pin.participants:
            return _HIDDEN
        uses = await self._waves.in_private(pin)
        granted = sum(right.mask for right in rights_in(required | any_of | optional) if right.in_private in uses)
        missing = _missing(required, any_of, granted)
        return Decision(
            outcome=Outcome.DENIED if missing else Outcome.ALLOWED,
            missing=missing,
            granted=(any_of | optional) & granted,
            participant_ids=pin.participants,
            pinned=pin if missing else None,
        )

    async def permissions(
        self, user_id: int, server_id: int, channel_ids: Sequence[int], wanted: int = KNOWN
    ) -> MemberPermissions | None:
        """Which bits of `wanted` are granted on the server and in those of the channels that are its own; None for who
        is not a member. Raises ValueError for an unknown bit.
        """
        (instant,) = await self._pinning.with_channels((user_id,), server_id, channel_ids)
        caller = await self._waves.caller(instant)
        if caller is None:
            return None
        return MemberPermissions(
            is_owner=caller.is_owner,
            role_ids=caller.role_ids,
            server=await self._waves.granted_on_server(caller, wanted),
            channels=tuple(await self._waves.granted_in_each(caller, instant.channels, wanted)),
        )


def _missing(required: int, any_of: int, granted: int) -> int:
    missing = required & ~granted
    return missing if granted & any_of else missing | any_of


def _decide(caller: Caller, instant: Instant, missing: int, granted: int) -> Decision:
    return Decision(
        outcome=Outcome.DENIED if missing else Outcome.ALLOWED,
        missing=missing,
        granted=granted,
        server_id=caller.server_id,
        role_ids=caller.role_ids,
        is_owner=caller.is_owner,
        pinned=instant if missing else None,
    )
