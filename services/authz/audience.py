"""Who sees what: the channels of a server that each of many users may view.

The work is one computation per distinct combination of roles (and mute, suspension, sovereignty), plus one per
channel and user who has an overwrite of their own there; never one per user and channel.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from services.authz.domain.rights import KNOWN
from services.authz.pinning import ChannelPin, Pinning
from services.authz.waves import Caller, Waves


@dataclass(frozen=True, slots=True)
class AudienceGroup:
    """Members who see the same: the channels that they may view, sorted, and their rights on the server, of those that
    were wanted."""

    user_ids: tuple[int, ...]
    channel_ids: tuple[int, ...]
    permissions: int


class Audiences:
    def __init__(self, pinning: Pinning, waves: Waves) -> None:
        self._pinning = pinning
        self._waves = waves

    async def compute(self, server_id: int, user_ids: Sequence[int], wanted: int = KNOWN) -> list[AudienceGroup]:
        """Groups of the users, all as of one instant. Who is not a member is in none."""
        instants = await self._pinning.with_channels(tuple(dict.fromkeys(user_ids)), server_id, None)
        if not instants:
            return []
        channels = instants[0].channels
        await self._pinning.memberships([instant.member for instant in instants], instants[0].head)
        named = frozenset().union(*(channel.facts.personal for channel in channels))

        seen: dict[object, tuple[tuple[int, ...], int]] = {}
        groups: dict[tuple[tuple[int, ...], int], list[int]] = defaultdict(list)
        for instant in instants:
            caller = await self._waves.caller(instant)
            if caller is None:
                continue
            key = caller.user_id if str(caller.user_id) in named else caller.context
            if key not in seen:
                seen[key] = await self._view(caller, channels, wanted)
                # With an engine in this process nothing above suspends: others get their turn between combinations.
                await asyncio.sleep(0)
            groups[seen[key]].append(caller.user_id)
        return [AudienceGroup(tuple(users), *view) for view, users in groups.items()]

    async def _view(self, caller: Caller, channels: Sequence[ChannelPin], wanted: int) -> tuple[tuple[int, ...], int]:
        viewed = await self._waves.viewed(caller, channels)
        return tuple(channel.channel_id for channel in viewed), await self._waves.granted_on_server(caller, wanted)
