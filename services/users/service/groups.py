"""How groups are changed: load, decide, commit, wait until authz and the bus have it."""

from collections.abc import Callable
from dataclasses import replace

from services.common.errors import Aborted
from services.common.outbox import Relay
from services.common.snowflake import SnowflakeGenerator
from services.users.domain.errors import UnknownPrivateChannel
from services.users.domain.private_channel import Group, remove_participant
from services.users.domain.user import User
from services.users.messages import Messages
from services.users.service.pairs import MAX_TRIES
from services.users.social_events import group_changed
from services.users.store.ports import UserStore
from services.users.store.social_ports import Conflict, GroupStore, LoadedGroup


class Groups:
    """The answer waits for the relay, so that who was sent out gets nothing of what is said after it."""

    def __init__(
        self, store: GroupStore, users: UserStore, messages: Messages, relay: Relay, ids: SnowflakeGenerator
    ) -> None:
        self._store = store
        self._users = users
        self._messages = messages
        self._relay = relay
        self._ids = ids

    async def found(self, group: Group, idempotency_key: str) -> tuple[Group, dict[int, User]]:
        """A new group, or the one that the creator's first request with this key has made."""
        earlier = await self._store.group_founded_by(group.owner_id, idempotency_key)
        if earlier is None:
            # Before anything is stored: nobody could be told of it, and who asked would ask again for another one.
            self._relay.require_applying()
            try:
                return await self._commit(None, group, idempotency_key)
            except Conflict:
                earlier = await self._store.group_founded_by(group.owner_id, idempotency_key)
        if earlier is None:
            raise Aborted("CONFLICT", "The group that this key has made is over.")
        return await self._unchanged(earlier)

    async def change(self, group_id: int, decide: Callable[[Group], Group]) -> tuple[Group, dict[int, User]]:
        """The group after `decide`, which may be asked several times; with the users who are or were there.

        Raises:
            UnknownPrivateChannel: there is no such group.
            Aborted: others keep changing it first.
            whatever `decide` raises.
        """
        for _ in range(MAX_TRIES):
            loaded = await self._store.group(group_id)
            if loaded is None:
                raise UnknownPrivateChannel
            after = decide(loaded.group)
            if after == loaded.group:
                return await self._unchanged(loaded)
            try:
                return await self._commit(loaded.group, after)
            except Conflict:
                continue
        raise Aborted("CONFLICT", "Others keep changing this group; try again.")

    async def depart(self, user_id: int) -> None:
        """The user leaves all groups. May be repeated."""
        for group in await self._store.groups_of(user_id):
            try:
                await self.change(group.id, lambda found: _without(found, user_id))
            except UnknownPrivateChannel:
                continue  # the last of the others has left meanwhile

    async def _commit(
        self, before: Group | None, after: Group, idempotency_key: str = ""
    ) -> tuple[Group, dict[int, User]]:
        after = replace(after, version=after.version + 1)
        users = await self._profiles(before, after)
        somebody_comes = before is not None and not {*after.participant_ids} <= {*before.participant_ids}
        newest = await self._messages.newest_in(after.id) if somebody_comes else 0
        record = group_changed(before, after, users, self._ids.next, last_message_id=newest)
        await self._store.commit_group(after, record, idempotency_key=idempotency_key)
        await self._relay.published(record.id)
        return after, users

    async def _unchanged(self, loaded: LoadedGroup) -> tuple[Group, dict[int, User]]:
        # It may be so since a moment ago only, and not yet everywhere.
        if loaded.pending_record:
            await self._relay.published(loaded.pending_record)
        return loaded.group, await self._profiles(None, loaded.group)

    async def _profiles(self, before: Group | None, after: Group) -> dict[int, User]:
        ids = {*(before.participant_ids if before else ()), *after.participant_ids}
        return {user.id: user for user in await self._users.users(list(ids))}


def _without(group: Group, user_id: int) -> Group:
    return remove_participant(group, user_id, user_id) if user_id in group.participant_ids else group
