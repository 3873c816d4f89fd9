"""One instant: the epochs that a decision keeps for all its steps, and the facts as of them.

Facts of a server, a seat, a user and a channel are read from the permission engine with the pinned tokens, never
taken from what a client claims, and remembered under the token that they were read for.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from services.authz.answers import Answers
from services.authz.domain.facts import (
    Entity,
    Value,
    channel_entity,
    channels_of,
    private_channel_entity,
    seat_entity,
    server_entity,
    server_of,
    thread_entity,
    user_entity,
)
from services.authz.domain.projection import channel_epoch, channels_epoch, seat_epoch, server_epoch, user_epoch
from services.authz.epochs import Epochs
from services.authz.store.ports import Authorizer, Token
from services.common.errors import Internal


class MemberPin(NamedTuple):
    """Somebody in a server, at one instant."""

    server_id: int
    user_id: int
    server: Token
    seat: Token
    user: Token


class ChannelFacts(NamedTuple):
    """What is behind the id of a channel: one of a server (`server_id`), a thread of one (`parent_id`), a private one
    (`participants`), or nothing.

    `personal` are the users who have an overwrite of their own.
    """

    server_id: int
    personal: frozenset[str]
    parent_id: int = 0
    locked: bool = False
    archived: bool = False
    participants: tuple[int, ...] = ()


class ThreadPin(NamedTuple):
    thread_id: int
    token: Token
    locked: bool
    archived: bool


class ChannelPin(NamedTuple):
    """A channel of a server; when a thread was asked about, the one that it hangs on."""

    channel_id: int
    token: Token
    facts: ChannelFacts
    thread: ThreadPin | None = None

    @property
    def asked_id(self) -> int:
        return self.thread.thread_id if self.thread else self.channel_id


class PrivatePin(NamedTuple):
    """Somebody and a private channel, at one instant. `participants` are sorted."""

    user_id: int
    user: Token
    channel_id: int
    channel: Token
    participants: tuple[int, ...]
    head: Token


class Instant(NamedTuple):
    """A member and some channels. As of `head`, the facts of each are those of its own token: nothing came in
    between."""

    member: MemberPin
    channels: tuple[ChannelPin, ...]
    head: Token


class Membership(NamedTuple):
    """The facts about a caller, of four objects, as of their pins. `roles` are sorted and hold the server's own id."""

    is_member: bool
    is_owner: bool
    suspended: bool
    frozen: bool
    muted: bool
    roles: tuple[str, ...]


_NOBODY: Final = Membership(False, False, False, False, False, ())
_NOTHING: Final[Mapping[str, Value]] = {}


class Pinning:
    def __init__(self, authorizer: Authorizer, epochs: Epochs, answers: Answers) -> None:
        self._authorizer = authorizer
        self._epochs = epochs
        self._answers = answers

    def members(self, user_ids: Iterable[int], server_id: int) -> list[Instant]:
        """Pin each of the users in the server, all at the same instant."""
        epochs = self._epochs
        server, head = epochs.of(server_epoch(server_id)), epochs.head
        return [
            Instant(
                MemberPin(
                    server_id,
                    user_id,
                    server,
                    epochs.of(seat_epoch(server_id, user_id)),
                    epochs.of(user_epoch(user_id)),
                ),
                (),
                head,
            )
            for user_id in user_ids
        ]

    async def in_channel(self, user_id: int, channel_id: int) -> Instant | PrivatePin | None:
        """Pin a user and a channel with its server, or a private one; None if there is no such channel."""
        while True:
            channel = self._remembered(channel_id)
            if channel is None:
                (channel,) = await self._places((channel_id,))
            # No await from here on: one instant. (A channel never changes its server, so that is known now.)
            if not self._is_current(channel):
                continue
            if channel.facts.server_id:
                (instant,) = self.members((user_id,), channel.facts.server_id)
                return instant._replace(channels=(channel,))
            if channel.facts.participants:
                epochs = self._epochs
                return PrivatePin(
                    user_id,
                    epochs.of(user_epoch(user_id)),
                    channel_id,
                    channel.token,
                    channel.facts.participants,
                    epochs.head,
                )
            return None

    def _remembered(self, channel_id: int) -> ChannelPin | None:
        """The channel, pinned now, if it is no thread and its facts are known."""
        token = self._epochs.of(channel_epoch(channel_id))
        facts: ChannelFacts | None = self._answers.get((channel_entity(channel_id), token))
        return None if facts is None or facts.parent_id else ChannelPin(channel_id, token, facts)

    async def is_suspended(self, pin: PrivatePin) -> bool:
        """As of the pin."""
        key = (user_entity(pin.user_id), pin.user)
        facts: Mapping[str, Value] | None = self._answers.get(key)
        if facts is None:
            facts = (await self._authorizer.read_attributes([key[0]], pin.head)).get(key[0], _NOTHING)
            self._answers.put(key, facts)
        return _boolean(facts, "suspended")

    async def with_channels(
        self, user_ids: Sequence[int], server_id: int, channel_ids: Sequence[int] | None
    ) -> list[Instant]:
        """Pin users and those of the channels (None: all but threads) that are the server's, at the same instant."""
        while True:
            token = self._epochs.of(channels_epoch(server_id))
            wanted = await self._channels(server_id, token) if channel_ids is None else channel_ids
            pins = await self._places(wanted)
            # No await from here on: one instant.
            listed = channel_ids is not None or token == self._epochs.of(channels_epoch(server_id))
            if listed and all(self._is_current(pin) for pin in pins):
                channels = tuple(pin for pin in pins if pin.facts.server_id == server_id)
                return [instant._replace(channels=channels) for instant in self.members(user_ids, server_id)]

    async def membership(self, pin: MemberPin, head: Token) -> Membership:
        """The facts about the caller as of the pins, of which the head is from the same instant. One call when cold."""
        (found,) = await self.memberships((pin,), head)
        return found

    async def memberships(self, pins: Sequence[MemberPin], head: Token) -> list[Membership]:
        """The same for many in one call."""
        facts: dict[tuple[Entity, Token], Mapping[str, Value]] = {}
        cold: dict[tuple[Entity, Token], None] = {}
        for pin in pins:
            for key in _keys(pin):
                found = self._answers.get(key)
                if found is None:
                    cold[key] = None
                else:
                    facts[key] = found
        if cold:
            read = await self._authorizer.read_attributes([entity for entity, _ in cold], head)
            for key in cold:
                facts[key] = read.get(key[0], _NOTHING)
                self._answers.put(key, facts[key])
        return [_membership(pin, *(facts[key] for key in _keys(pin))) for pin in pins]

    def _is_current(self, pin: ChannelPin) -> bool:
        if pin.thread is not None and pin.thread.token != self._epochs.of(channel_epoch(pin.thread.thread_id)):
            return False
        return pin.token == self._epochs.of(channel_epoch(pin.channel_id))

    async def _places(self, channel_ids: Sequence[int]) -> list[ChannelPin]:
        """Pin what decides for each id: the channel itself, for a thread the channel that it hangs on."""
        pins = await self._channel_pins(channel_ids)
        parent_ids = tuple({pin.facts.parent_id: None for pin in pins if pin.facts.parent_id})
        if not parent_ids:
            return pins
        parents = {pin.channel_id: pin for pin in await self._channel_pins(parent_ids)}
        return [
            parents[pin.facts.parent_id]._replace(
                thread=ThreadPin(pin.channel_id, pin.token, pin.facts.locked, pin.facts.archived)
            )
            if pin.facts.parent_id
            else pin
            for pin in pins
        ]

    async def _channel_pins(self, channel_ids: Sequence[int]) -> list[ChannelPin]:
        """Pin channels at the instant of the call, and read what is not remembered of them, in two calls."""
        head = self._epochs.head
        facts: dict[int, ChannelFacts] = {}
        tokens = {channel_id: self._epochs.of(channel_epoch(channel_id)) for channel_id in channel_ids}
        for channel_id, token in tokens.items():
            found: ChannelFacts | None = self._answers.get((channel_entity(channel_id), token))
            if found is not None:
                facts[channel_id] = found
        if len(facts) < len(tokens):
            cold = [channel_id for channel_id in tokens if channel_id not in facts]
            facts |= await self._read_channels(cold, head)
            for channel_id in cold:
                self._answers.put((channel_entity(channel_id), tokens[channel_id]), facts[channel_id])
        return [ChannelPin(channel_id, token, facts[channel_id]) for channel_id, token in tokens.items()]

    async def _read_channels(self, channel_ids: Sequence[int], head: Token) -> dict[int, ChannelFacts]:
        kinds = (channel_entity, thread_entity, private_channel_entity)
        entities = [entity(channel_id) for channel_id in channel_ids for entity in kinds]
        # If one of them fails the other has its own deadline, and nobody needs its answer.
        attributes, relationships = await asyncio.gather(
            self._authorizer.read_attributes(entities, head),
            self._authorizer.read_relationships(server_of(*channel_ids), head),
        )
        servers = {relationship.entity: int(relationship.subject.id) for relationship in relationships}
        return {
            channel_id: _channel_facts(
                servers.get(channel_entity(channel_id), 0),
                *(attributes.get(entity(channel_id), _NOTHING) for entity in kinds),
            )
            for channel_id in channel_ids
        }

    async def _channels(self, server_id: int, token: Token) -> tuple[int, ...]:
        return await self._answers.ask(("channels", server_id, token), self._read_channel_list, server_id, token)

    async def _read_channel_list(self, server_id: int, token: Token) -> tuple[int, ...]:
        relationships = await self._authorizer.read_relationships(channels_of(server_id), token)
        return tuple(sorted(int(relationship.entity.id) for relationship in relationships))


def _keys(pin: MemberPin) -> tuple[tuple[Entity, Token], ...]:
    return (
        (server_entity(pin.server_id), pin.server),
        (seat_entity(pin.server_id, pin.user_id), pin.seat),
        (user_entity(pin.user_id), pin.user),
    )


def _membership(
    pin: MemberPin, server: Mapping[str, Value], seat: Mapping[str, Value], user: Mapping[str, Value]
) -> Membership:
    owner, held = server.get("owner", ""), _strings(seat, "roles")
    if owner == "" or not held:
        return _NOBODY
    # Roles that the server no longer has count for nothing, so that deleting one need not rewrite every seat.
    existing = _strings(server, "roles")
    return Membership(
        is_member=True,
        is_owner=owner == str(pin.user_id),
        suspended=_boolean(user, "suspended"),
        frozen=_boolean(server, "frozen"),
        muted=_boolean(seat, "muted"),
        roles=tuple(role for role in held if role in existing),
    )


def _channel_facts(
    server_id: int, channel: Mapping[str, Value], thread: Mapping[str, Value], private: Mapping[str, Value]
) -> ChannelFacts:
    return ChannelFacts(
        server_id,
        frozenset(_strings(channel, "personal")),
        int(str(thread.get("parent", "")) or 0),
        _boolean(thread, "locked"),
        _boolean(thread, "archived"),
        tuple(sorted(map(int, _strings(private, "participants")))),
    )


def _boolean(attributes: Mapping[str, Value], name: str) -> bool:
    value = attributes.get(name, False)
    if not isinstance(value, bool):
        raise Internal("INVALID_FACT", f"The fact {name} is no boolean.")
    return value


def _strings(attributes: Mapping[str, Value], name: str) -> tuple[str, ...]:
    value = attributes.get(name, ())
    if not isinstance(value, tuple):
        raise Internal("INVALID_FACT", f"The fact {name} is no list.")
    return value
