"""What is done to an account that is deleted, in this order (`service/deletion.py` takes it through)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from beep.servers.v1.servers_service_pb2 import ListServersRequest, RemoveUserRequest
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceStub
from services.common.clock import Clock
from services.common.errors import FailedPrecondition, Unavailable
from services.common.limits import SERVERS_PER_USER
from services.common.outbox import Relay
from services.common.rpc import Channel
from services.common.snowflake import SnowflakeGenerator
from services.users import render
from services.users.domain.bot_token import SECRET_BYTES, TOKEN_ID_BYTES, make_bot_token
from services.users.domain.errors import OwnsServers
from services.users.domain.profile import ProfileChange
from services.users.domain.username import deleted_username
from services.users.events import identity_changed, profile_changed, session_revoked
from services.users.identity.ports import AccountSecurity, IdentityProvider
from services.users.messages import Messages
from services.users.service.deletion import Step
from services.users.service.groups import Groups
from services.users.service.pairs import Pairs
from services.users.service.sessions import Sessions
from services.users.store.ports import Deletion, UserStore

if TYPE_CHECKING:
    from beep.servers.v1.servers_service_pb2_grpc import ServersServiceAsyncStub

DELETED_USER: Final = "Deleted User"
SERVERS: Final = "servers"


class DeletionSteps:
    """What they wrote stays, under "Deleted User"; what is theirs goes."""

    def __init__(
        self,
        *,
        store: UserStore,
        identity: IdentityProvider,
        security: AccountSecurity,
        sessions: Sessions,
        pairs: Pairs,
        groups: Groups,
        messages: Messages,
        relay: Relay,
        peers: Mapping[str, Channel],
        clock: Clock,
        ids: SnowflakeGenerator,
        random_bytes: Callable[[int], bytes],
        email_key: Callable[[str], str],
    ) -> None:
        """`peers`: looked into at each step, as `servers` may start after `users`."""
        self._store = store
        self._identity = identity
        self._security = security
        self._sessions = sessions
        self._pairs = pairs
        self._groups = groups
        self._messages = messages
        self._relay = relay
        self._peers = peers
        self._clock = clock
        self._ids = ids
        self._random_bytes = random_bytes
        self._email_key = email_key

    def in_order(self) -> Sequence[Step]:
        # Up to `servers`, which may refuse, everything can be taken back; behind it nothing has to be.
        return [
            Step("sign_in", self._refuse_sign_in, undo=self._allow_sign_in),
            Step("sessions", self._end_sessions),
            Step("servers", self._leave_servers),
            Step("bots", self._silence_bots),
            Step("relationships", self._leave_pairs),
            Step("groups", self._leave_groups),
            Step("read_states", self._forget_what_they_read),
            Step("profile", self._rename),
            Step("identity", self._forget_identity),
        ]

    async def owns_servers(self, user_id: int) -> bool:
        request = ListServersRequest(user_id=user_id, limit=SERVERS_PER_USER)
        return any(entry.is_owner for entry in (await self._servers().ListServers(request)).servers)

    async def _refuse_sign_in(self, deletion: Deletion) -> None:
        await self._security.set_disabled(deletion.subject, True)

    async def _allow_sign_in(self, deletion: Deletion) -> None:
        await self._security.set_disabled(deletion.subject, False)

    async def _end_sessions(self, deletion: Deletion) -> None:
        await self._sessions.end_all(deletion.user_id, deletion.subject, but="")

    async def _leave_servers(self, deletion: Deletion) -> None:
        try:
            await self._servers().RemoveUser(RemoveUserRequest(user_id=deletion.user_id))
        except FailedPrecondition:
            # A server that they made, or were given, since they were asked.
            raise OwnsServers from None

    async def _silence_bots(self, deletion: Deletion) -> None:
        for bot in await self._store.bots_of(deletion.user_id):
            bot_id = bot.user.id
            unknown = make_bot_token(
                bot_id, token_id=self._random_bytes(TOKEN_ID_BYTES), secret=self._random_bytes(SECRET_BYTES)
            )
            record = await self._store.replace_bot_token(
                bot_id, unknown, partial(session_revoked, self._ids.next(), bot_id)
            )
            await self._relay.published(record.id)

    async def _leave_pairs(self, deletion: Deletion) -> None:
        await self._pairs.depart(deletion.user_id)

    async def _leave_groups(self, deletion: Deletion) -> None:
        await self._groups.depart(deletion.user_id)

    async def _forget_what_they_read(self, deletion: Deletion) -> None:
        await self._messages.forget_reader(deletion.user_id)

    async def _rename(self, deletion: Deletion) -> None:
        change = ProfileChange(
            username=deleted_username(deletion.user_id),
            global_name=DELETED_USER,
            avatar="",
            first_name="",
            last_name="",
        )
        event_ids = [self._ids.next() for _ in range(4)]
        await self._store.update_profile(
            deletion.user_id,
            change,
            email="",
            now_ms=self._clock.now_ms(),
            record=lambda before, after: profile_changed(
                event_ids, render.account(after, None), old_avatar=before.user.avatar
            ),
        )

    async def _forget_identity(self, deletion: Deletion) -> None:
        state = await self._identity.account(deletion.subject)
        if state is not None:
            # So that who was banned somewhere is known again under a new account.
            await self._store.remember_identity_keys(
                deletion.user_id,
                [self._email_key(state.email)],
                record=identity_changed(self._ids.next(), deletion.user_id),
            )
        await self._security.delete(deletion.subject)

    def _servers(self) -> "ServersServiceAsyncStub":
        channel = self._peers.get(SERVERS)
        if channel is None:
            raise Unavailable("SERVERS_NOT_STARTED", "The servers are not there yet.")
        return ServersServiceStub(channel)
