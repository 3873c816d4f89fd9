"""The waves of a decision: each asks the permission engine, with the answers of those before it as context.

    1. is the caller sovereign: owner, or granted ADMINISTRATOR?    2. is the right granted on the server?
    3. may the caller view the channel?                             4. is the right granted in the channel?

An engine behind a socket is asked the second together with the first, as if its answer were no: for most it is, and for
the others there is a question more. No answer is used for a context that it was not asked in.

All of them are asked as of one instant (services/authz/pinning.py). Read anew in each wave, a decision would mix two
states and allow what was allowed in neither (docs/adr/0005-decisions-and-epochs.md).
"""

from collections.abc import Callable, Collection, Coroutine, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from services.authz.abreast import abreast
from services.authz.answers import Answers
from services.authz.domain.facts import CHANNEL_RIGHT, SERVER_RIGHT, Entity, private_channel_entity
from services.authz.domain.rights import (
    ADMINISTRATOR,
    BY_BIT,
    MANAGE_THREADS,
    SEND,
    SEND_IN_THREADS,
    VIEW,
    InPrivate,
    Right,
    rights_in,
)
from services.authz.pinning import ChannelPin, Instant, Pinning, PrivatePin
from services.authz.store.ports import Checks, Token

ANYBODY: Final = "caller"
"""Stands for the user where no overwrite names that user, so that members with the same roles share their answers."""


SUBJECT: Final = Entity("user", ANYBODY)
"""The subject of every check. Who asks is in the context; a subject of their own would keep members from sharing
answers."""


class ServerContext(NamedTuple):
    """What a rule reads when it decides a right on a server. `roles` are sorted: their order is part of a key."""

    joined: bool
    suspended: bool
    frozen: bool
    muted: bool
    sovereign: bool
    roles: tuple[str, ...]


class ChannelContext(NamedTuple):
    """What a rule reads when it decides a right in a channel."""

    joined: bool
    suspended: bool
    frozen: bool
    muted: bool
    sovereign: bool
    roles: tuple[str, ...]
    granted: bool
    viewed: bool
    needed: bool
    user: str


class PrivateContext(NamedTuple):
    """What a rule reads when it decides about a private channel."""

    suspended: bool
    caller: str


class Question(NamedTuple):
    """One check, and the key of its answer: so nothing that is asked can be missing from the key."""

    entity: Entity
    context: ServerContext | ChannelContext | PrivateContext
    token: Token
    permission: str = "allowed"


@dataclass(frozen=True, slots=True)
class Caller:
    """A member at one instant, the first wave decided.

    Attributes:
        role_ids: the roles held, sorted, without @everyone.
        unmuted: the context of the rights that a mute leaves.
        context: the context of the others.
    """

    user_id: int
    server_id: int
    token: Token
    is_owner: bool
    role_ids: tuple[int, ...]
    unmuted: ServerContext
    context: ServerContext


ReadAhead: TypeAlias = Callable[[str, int, Token], Coroutine[Any, Any, object]]


class Waves:
    def __init__(
        self,
        checks: Checks,
        pinning: Pinning,
        answers: Answers,
        *,
        at_once: int = 1,
        read_ahead: ReadAhead | None = None,
    ) -> None:
        """Make it.

        Args:
            at_once: how many checks of one decision the engine is asked together, where none needs the other.
            read_ahead: fetches what later waves will read of a server or a channel.
        """
        self._checks = checks
        self._pinning = pinning
        self._answers = answers
        self._at_once = at_once
        self._read_ahead = read_ahead

    async def caller(self, instant: Instant, expected: int = 0) -> Caller | None:
        """The member of the instant, or None if the user is not one, or the server does not exist.

        `expected`: the bits that will be asked about next, on the server or in the one channel of the instant.
        """
        known: Caller | bool | None = self._answers.get(instant.member)
        if known is None:
            known = await self._answers.ask(instant.member, self._first_wave, instant, expected)
        return known if isinstance(known, Caller) else None

    async def on_server(self, caller: Caller, right: Right) -> bool:
        """Whether the right is granted on the server."""
        context = caller.unmuted if right.survives_mute else caller.context
        return await self._answer(
            Question(Entity(SERVER_RIGHT, f"{caller.server_id}.{right.name}"), context, caller.token)
        )

    async def views(self, caller: Caller, channel: ChannelPin) -> bool:
        """Whether the caller may view the channel."""
        granted = await self.on_server(caller, VIEW)
        return await self._in_channel(caller, channel, VIEW, granted=granted, viewed=True, needed=True)

    async def viewed(self, caller: Caller, channels: Sequence[ChannelPin]) -> list[ChannelPin]:
        """Those of the channels that the caller may view."""
        views = await abreast(self._at_once, (self.views(caller, channel) for channel in channels))
        return [channel for channel, may in zip(channels, views, strict=True) if may]

    async def in_channel(self, caller: Caller, channel: ChannelPin, right: Right, *, viewed: bool) -> bool:
        """Whether the right is granted in the channel, which the caller may view or not."""
        if right is VIEW:
            return viewed
        if right is SEND and channel.thread is not None:
            return await self._in_thread(caller, channel, viewed=viewed, locked=channel.thread.locked)
        granted = await self.on_server(caller, right)
        needed = right.presupposes is None or await self.in_channel(
            caller, channel, BY_BIT[right.presupposes], viewed=viewed
        )
        return await self._in_channel(caller, channel, right, granted=granted, viewed=viewed, needed=needed)

    async def granted(self, caller: Caller, channel: ChannelPin, wanted: int) -> int:
        """Those bits of `wanted` that are granted in the channel. Raises ValueError for an unknown one.

        Most callers want the same few everywhere: a warm answer is one look-up, not one for each step to it.
        """
        key = _granted(caller, channel, wanted)
        mask: int | None = self._answers.get(key)
        if mask is None:
            mask = await self._mask_in_channel(caller, channel, rights_in(wanted))
            self._answers.put(key, mask)
        return mask

    async def granted_in_each(
        self, caller: Caller, channels: Sequence[ChannelPin], wanted: int
    ) -> list[tuple[int, int]]:
        """For each of the channels the id that was asked about, and those bits of `wanted` that are granted there."""
        if self._at_once > 1:
            # All that has to be asked, together: what is below would ask channel after channel.
            cold = [channel for channel in channels if self._answers.get(_granted(caller, channel, wanted)) is None]
            views = await abreast(self._at_once, (self.views(caller, channel) for channel in cold))
            await abreast(
                self._at_once,
                (
                    self.in_channel(caller, channel, right, viewed=viewed)
                    for channel, viewed in zip(cold, views, strict=True)
                    for right in rights_in(wanted)
                ),
            )
        return [(channel.asked_id, await self.granted(caller, channel, wanted)) for channel in channels]

    async def granted_on_server(self, caller: Caller, wanted: int) -> int:
        """Those bits of `wanted` that are granted on the server. Raises ValueError for an unknown one."""
        key = ("granted on server", caller.server_id, caller.token, caller.context, wanted)
        mask: int | None = self._answers.get(key)
        if mask is None:
            rights = rights_in(wanted)
            mask = _mask(rights, await abreast(self._at_once, (self.on_server(caller, right) for right in rights)))
            self._answers.put(key, mask)
        return mask

    async def in_private(self, pin: PrivatePin) -> frozenset[InPrivate]:
        """What one who takes part may do in a private channel."""
        context = PrivateContext(await self._pinning.is_suspended(pin), str(pin.user_id))
        entity = private_channel_entity(pin.channel_id)
        return frozenset(
            [use for use in InPrivate if await self._answer(Question(entity, context, pin.channel, use.value))]
        )

    async def _mask_in_channel(self, caller: Caller, channel: ChannelPin, rights: Sequence[Right]) -> int:
        if self._at_once > 1:
            # The second wave of them all together: what is below would ask each right's when its turn comes.
            await abreast(self._at_once, (self.on_server(caller, right) for right in _granting(rights, (channel,))))
        viewed = await self.views(caller, channel)
        held = await abreast(
            self._at_once, (self.in_channel(caller, channel, right, viewed=viewed) for right in rights)
        )
        return _mask(rights, held)

    async def _in_thread(self, caller: Caller, channel: ChannelPin, *, viewed: bool, locked: bool) -> bool:
        """Whether the caller may write in a thread of it. What presupposes SEND_MESSAGES presupposes this there."""
        for right in (SEND_IN_THREADS, MANAGE_THREADS) if locked else (SEND_IN_THREADS,):
            if not await self.in_channel(caller, channel, right, viewed=viewed):
                return False
        return True

    async def _first_wave(self, instant: Instant, expected: int) -> Caller | bool:
        pin = instant.member
        if self._read_ahead is not None and len(instant.channels) == 1:
            # In the time of one call instead of three. Where there are more channels, most are read for others already.
            (channel,) = instant.channels
            reads = (
                partial(self._pinning.membership, pin, instant.head),
                partial(self._read_ahead, SERVER_RIGHT, pin.server_id, pin.server),
                partial(self._read_ahead, CHANNEL_RIGHT, channel.channel_id, channel.token),
            )
            await abreast(self._at_once, (read() for read in reads))
        facts = await self._pinning.membership(pin, instant.head)
        if not facts.is_member:
            return False
        unmuted = ServerContext(
            joined=True,
            suspended=facts.suspended,
            frozen=facts.frozen,
            muted=False,
            sovereign=facts.is_owner,
            roles=facts.roles,
        )
        caller = Caller(
            user_id=pin.user_id,
            server_id=pin.server_id,
            token=pin.server,
            is_owner=facts.is_owner,
            role_ids=tuple(sorted(int(role) for role in facts.roles if int(role) != pin.server_id)),
            unmuted=unmuted,
            context=unmuted._replace(muted=facts.muted),
        )
        # Most callers are no administrators. The second wave of those needs no answer of the first.
        ahead = _granting(rights_in(expected), instant.channels) if self._at_once > 1 else ()
        administrator = Entity(SERVER_RIGHT, f"{pin.server_id}.{ADMINISTRATOR.name}")
        asks = (
            partial(self._answer, Question(administrator, unmuted, pin.server)),
            *(partial(self.on_server, caller, right) for right in ahead),
        )
        sovereign, *_ = await abreast(self._at_once, (ask() for ask in asks))
        return replace(
            caller,
            unmuted=caller.unmuted._replace(sovereign=sovereign),
            context=caller.context._replace(sovereign=sovereign),
        )

    async def _in_channel(
        self, caller: Caller, channel: ChannelPin, right: Right, *, granted: bool, viewed: bool, needed: bool
    ) -> bool:
        base = caller.unmuted if right.survives_mute else caller.context
        context = ChannelContext(*base, granted=granted, viewed=viewed, needed=needed, user=_user(caller, channel))
        return await self._answer(
            Question(Entity(CHANNEL_RIGHT, f"{channel.channel_id}.{right.name}"), context, channel.token)
        )

    async def _answer(self, question: Question) -> bool:
        answer: bool | None = self._answers.get(question)
        if answer is not None:
            return answer
        entity, context, token, permission = question
        return await self._answers.ask(
            question, self._checks.check, entity, permission, SUBJECT, context._asdict(), token
        )


def _mask(rights: Sequence[Right], held: Sequence[bool]) -> int:
    return sum(right.mask for right, has in zip(rights, held, strict=True) if has)


def _granting(rights: Sequence[Right], channels: Sequence[ChannelPin]) -> Collection[Right]:
    """The rights on the server that rights there, or in one of its channels, begin with."""
    if not channels:
        return rights
    threads = any(channel.thread is not None for channel in channels)
    return {SEND_IN_THREADS if threads and right is SEND else right: None for right in (VIEW, *rights)}


def _granted(caller: Caller, channel: ChannelPin, wanted: int) -> Hashable:
    """The key of what is granted in a channel, of what is wanted."""
    return (
        "granted",
        channel.channel_id,
        channel.token,
        _locked(channel),
        caller.server_id,
        caller.token,
        caller.context,
        _user(caller, channel),
        wanted,
    )


def _locked(channel: ChannelPin) -> bool | None:
    """Of a thread; None: there is none."""
    return channel.thread.locked if channel.thread is not None else None


def _user(caller: Caller, channel: ChannelPin) -> str:
    user = str(caller.user_id)
    return user if user in channel.facts.personal else ANYBODY
