"""Explains what the permission engine has decided, from the facts as of the very instant of the decision."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from services.authz.domain.explanation import Explanation, explain, rights_read
from services.authz.domain.facts import (
    CHANNEL_RIGHT,
    SERVER_RIGHT,
    Entity,
    Value,
    private_channel_entity,
    seat_entity,
    server_entity,
    user_entity,
)
from services.authz.domain.remedy import Change, remedy
from services.authz.domain.rights import RIGHTS, Right
from services.authz.domain.situation import (
    ChannelSituation,
    Overwritten,
    PrivateSituation,
    ServerSituation,
    Situation,
    Target,
)
from services.authz.pinning import ChannelPin, Instant, PrivatePin
from services.authz.store.ports import Authorizer
from services.authz.waves import Waves
from services.common.errors import Internal

logger = logging.getLogger(__name__)

Pinned: TypeAlias = Instant | PrivatePin
"""Somebody in a server, in one channel of a server, or in a private channel."""

Facts: TypeAlias = Mapping[Entity, Mapping[str, Value]]


class Explainer:
    """Off the path of requests: an explanation reads some sixty entities, in one call of the engine."""

    def __init__(self, authorizer: Authorizer, waves: Waves) -> None:
        self._authorizer: Final = authorizer
        self._waves: Final = waves
        self.explained = 0
        self.disagreed = 0
        """Explanations that said other than the engine, and were withheld. A defect, if ever more than 0."""

    async def explain(self, pinned: Pinned, rights: Sequence[Right]) -> list[tuple[Explanation, tuple[Change, ...]]]:
        """Each of the rights explained as of the instant, and what would turn it over.

        Raises:
            Internal: EXPLANATION_DISAGREES: the engine has decided otherwise. A wrong explanation is worse than none.
        """
        found = []
        situation = await self._situation(pinned, rights)
        for right in rights:
            explanation = explain(situation, right)
            allowed = await self._decided(pinned, right)
            if explanation.allowed is not allowed:
                self.disagreed += 1
                logger.error(
                    "explanation_disagrees", extra={"right": right.name, "allowed": allowed, "pinned": repr(pinned)}
                )
                raise Internal("EXPLANATION_DISAGREES", "The decision cannot be explained.")
            self.explained += 1
            found.append((explanation, remedy(situation, explanation)))
        return found

    async def _decided(self, pinned: Pinned, right: Right) -> bool:
        """What the engine says as of the same instant; mostly it is remembered."""
        if isinstance(pinned, PrivatePin):
            if pinned.user_id not in pinned.participants:
                return False
            return right.in_private in await self._waves.in_private(pinned)
        caller = await self._waves.caller(pinned)
        if caller is None:
            return False
        if not pinned.channels:
            return await self._waves.on_server(caller, right)
        (channel,) = pinned.channels
        return await self._waves.granted(caller, channel, right.mask) != 0

    async def _situation(self, pinned: Pinned, rights: Sequence[Right]) -> Situation:
        if isinstance(pinned, PrivatePin):
            return await self._private_situation(pinned)
        member, head = pinned.member, pinned.head
        server, seat, user = (
            server_entity(member.server_id),
            seat_entity(member.server_id, member.user_id),
            user_entity(member.user_id),
        )
        grants = {right.mask: Entity(SERVER_RIGHT, f"{member.server_id}.{right.name}") for right in RIGHTS}
        overwrites = {
            right.mask: Entity(CHANNEL_RIGHT, f"{channel.channel_id}.{right.name}")
            for channel in pinned.channels
            for asked in rights
            for right in rights_read(asked)
            if right.in_channel
        }
        # As of the head of the instant the facts of each are those of its own pin: one read, one state.
        facts = await self._authorizer.read_attributes(
            [server, seat, user, *grants.values(), *overwrites.values()], head
        )
        roles = dict.fromkeys(_ids(facts, server, "roles"), 0)
        for mask, entity in grants.items():
            for role in _ids(facts, entity, "granted"):
                if role in roles:
                    roles[role] |= mask
        owner = _value(facts, server, "owner")
        return ServerSituation(
            user_id=member.user_id,
            server_id=member.server_id,
            owner_id=int(str(owner or 0)),
            roles=roles,
            # Nobody is a member of what is not there.
            seat=frozenset(_ids(facts, seat, "roles")) if owner else frozenset(),
            frozen=_value(facts, server, "frozen") is True,
            suspended=_value(facts, user, "suspended") is True,
            muted=_value(facts, seat, "muted") is True,
            channel=_channel(
                pinned.channels,
                {
                    mask: _overwritten(_strings(facts, entity, "overwrites"), member.server_id)
                    for mask, entity in overwrites.items()
                },
            ),
        )

    async def _private_situation(self, pin: PrivatePin) -> PrivateSituation:
        channel, user = private_channel_entity(pin.channel_id), user_entity(pin.user_id)
        facts = await self._authorizer.read_attributes([channel, user], pin.head)
        return PrivateSituation(
            user_id=pin.user_id,
            participants=frozenset(_ids(facts, channel, "participants")),
            suspended=_value(facts, user, "suspended") is True,
            silenced=_value(facts, channel, "silenced") is True,
        )


def _channel(channels: Sequence[ChannelPin], overwrites: Mapping[int, Overwritten]) -> ChannelSituation | None:
    if not channels:
        return None
    (channel,) = channels
    thread = channel.thread
    return ChannelSituation(overwrites, is_thread=thread is not None, locked=thread is not None and thread.locked)


def _overwritten(lines: Sequence[str], server_id: int) -> Overwritten:
    """The lines of a right's overwrites: `allow:user:5`, `deny:role:7`, `deny:everyone`."""
    allow: set[Target] = set()
    deny: set[Target] = set()
    for line in lines:
        effect, kind, *target = line.split(":")
        (allow if effect == "allow" else deny).add((kind, int(target[0])) if target else ("role", server_id))
    return Overwritten(frozenset(allow), frozenset(deny))


def _value(facts: Facts, entity: Entity, name: str) -> Value | None:
    return facts.get(entity, {}).get(name)


def _strings(facts: Facts, entity: Entity, name: str) -> tuple[str, ...]:
    value = _value(facts, entity, name)
    return value if isinstance(value, tuple) else ()


def _ids(facts: Facts, entity: Entity, name: str) -> list[int]:
    return [int(text) for text in _strings(facts, entity, name)]
