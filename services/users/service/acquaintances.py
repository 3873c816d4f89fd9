"""Who has somebody among their friends or in a private channel is told when that one's name or picture changes."""

from dataclasses import replace

import msgspec

from services.common.bus import PROFILE_CHANGED, Envelope
from services.common.errors import Unavailable
from services.common.snowflake import SnowflakeGenerator
from services.users.domain.private_channel import Group
from services.users.domain.relationship import Pair
from services.users.domain.user import User
from services.users.service.pairs import MAX_TRIES
from services.users.social_events import profile_in_group, profile_in_pair
from services.users.store.ports import UserStore
from services.users.store.social_ports import Conflict, GroupStore, PairStore


class _Changed(msgspec.Struct):
    user_id: str


class Acquaintances:
    """What is told shows the whole of a pair or a group, so it takes its turn among their changes: a version of its
    own, in which nothing else is new."""

    def __init__(self, pairs: PairStore, groups: GroupStore, users: UserStore, ids: SnowflakeGenerator) -> None:
        self._pairs = pairs
        self._groups = groups
        self._users = users
        self._ids = ids

    async def profile_changed(self, envelope: Envelope) -> None:
        """Handles PROFILE_CHANGED. May be repeated.

        Raises:
            Unavailable: others keep changing what is to be shown.
        """
        if envelope.type != PROFILE_CHANGED:
            return
        user_id = int(msgspec.json.decode(envelope.body, type=_Changed).user_id)
        for pair in await self._pairs.pairs_of(user_id):
            await self._tell_pair(pair, user_id)
        for group in await self._groups.groups_of(user_id):
            await self._tell_group(group, user_id)

    async def _tell_pair(self, pair: Pair, user_id: int) -> None:
        for _ in range(MAX_TRIES):
            after = replace(pair, version=pair.version + 1)
            record = profile_in_pair(after, user_id, await self._profiles(pair.user_ids), self._ids.next)
            if record is None:
                return
            try:
                await self._pairs.commit_pair(after, record)
                return
            except Conflict:
                pair = (await self._pairs.pair(*pair.user_ids)).pair
        raise Unavailable("CONFLICT", "Others keep changing this; the inbox tries again.")

    async def _tell_group(self, group: Group, user_id: int) -> None:
        for _ in range(MAX_TRIES):
            after = replace(group, version=group.version + 1)
            record = profile_in_group(after, user_id, await self._profiles(group.participant_ids), self._ids.next)
            if record is None:
                return
            try:
                await self._groups.commit_group(after, record)
                return
            except Conflict:
                loaded = await self._groups.group(group.id)
                if loaded is None or user_id not in loaded.group.participant_ids:
                    return
                group = loaded.group
        raise Unavailable("CONFLICT", "Others keep changing this group; the inbox tries again.")

    async def _profiles(self, user_ids: tuple[int, ...]) -> dict[int, User]:
        return {user.id: user for user in await self._users.users(user_ids)}
