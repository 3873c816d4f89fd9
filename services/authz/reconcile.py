"""Compares what the sources state with what the permission engine holds, and repairs what differs (through the lane).

The engine is read as of its head and not by the epochs: what was written behind the lane's back has none.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.authz.domain.changes import RemoveChannel, SetChannel
from services.authz.domain.drift import Comparison, Held, Stated, compare, entities_of
from services.authz.domain.fact_keys import FactKey, FactKind, key_of
from services.authz.domain.facts import Attribute, Relationship, server_of
from services.authz.lane import Lane
from services.authz.store.ports import Authorizer, Page, Token
from services.common.errors import InvalidArgument

READ_TOGETHER: Final = 32
"""Objects that are read at once: a channel alone is some forty entities."""

# What is listed, in this order; of a relation, its name. Of rights and of channels without a server nobody is asked:
# they say nothing by themselves.
_WALK: Final = (
    ("server", ""),
    ("channel", "server"),
    ("seat", ""),
    ("thread", ""),
    ("private_channel", ""),
    ("user", ""),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found of one object. `repaired`: something differed, and does not any more."""

    comparison: Comparison
    repaired: bool


class Reconciler:
    def __init__(self, authorizer: Authorizer, lane: Lane) -> None:
        self._authorizer = authorizer
        self._lane = lane

    async def compare(self, stated: Sequence[Stated], *, apply: bool, last: bool) -> list[Compared]:
        """One answer for each.

        Args:
            apply: repair what differs.
            last: as `domain.drift.compare`.

        Raises:
            BeepError: the engine does not answer (or a group of them). What was repaired until then is repaired.
        """
        found = await self._compare(stated, last)
        if not apply:
            return [Compared(comparison, repaired=False) for comparison in found]
        repairs = [comparison.repair for comparison in found if comparison.repair is not None]
        async with asyncio.TaskGroup() as tasks:  # one write of the lane, or a few
            for repair in repairs:
                tasks.create_task(self._lane.repair(repair))
        left = [one for one, comparison in zip(stated, found, strict=True) if comparison.repair is not None]
        # Looked at again, because a repair that came late was left out.
        again = iter(await self._compare(left, last))
        return [
            Compared(comparison, comparison.repair is not None and not next(again).differences) for comparison in found
        ]

    async def held(self, token: str, limit: int) -> Page[FactKey]:
        """Objects that anything is held about, which a source may not know, a page of at most `limit` facts each.

        Raises:
            InvalidArgument: `token` is none of a page.
        """
        step, _, after = token.partition(":")
        if token and not (step.isdecimal() and int(step) < len(_WALK)):
            raise InvalidArgument("INVALID_REQUEST", "This is no token of a page.")
        number = int(step or 0)
        entity_type, relation = _WALK[number]
        head = await self._authorizer.head()
        page: Page[Attribute] | Page[Relationship]
        if relation:
            page = await self._authorizer.list_relationships(entity_type, relation, head, after=after, limit=limit)
        else:
            page = await self._authorizer.list_attributes(entity_type, head, after=after, limit=limit)
        keys = {key: None for fact in page.items if (key := key_of(fact)) is not None}
        if entity_type == "thread":
            keys = await self._in_servers(page.items, keys, head)
        if page.after:
            return Page(tuple(keys), f"{number}:{page.after}")
        return Page(tuple(keys), f"{number + 1}:" if number + 1 < len(_WALK) else "")

    async def _compare(self, stated: Sequence[Stated], last: bool) -> list[Comparison]:
        found: list[Comparison] = []
        for start in range(0, len(stated), READ_TOGETHER):
            together = stated[start : start + READ_TOGETHER]
            held = await self._read(together)
            found.extend(compare(one, held, last=last) for one in together)
        return found

    async def _read(self, stated: Sequence[Stated]) -> Held:
        head = await self._authorizer.head()
        entities = {entity: None for one in stated for entity in entities_of(one.change)}
        attributes = await self._authorizer.read_attributes(list(entities), head)
        channels = {one.change.channel_id for one in stated if isinstance(one.change, SetChannel | RemoveChannel)}
        relationships = await self._authorizer.read_relationships(server_of(*channels), head) if channels else ()
        return Held(attributes, frozenset(relationships))

    async def _in_servers(
        self, facts: Sequence[Attribute | Relationship], keys: dict[FactKey, None], head: Token
    ) -> dict[FactKey, None]:
        """Threads with the server of the channel that they hang on. Where there is none, a thread means nothing."""
        parents = {
            int(fact.entity.id): int(fact.value)
            for fact in facts
            if isinstance(fact, Attribute) and isinstance(fact.value, str) and fact.value.isdecimal()
        }
        if not parents:
            return {}
        found = await self._authorizer.read_relationships(server_of(*set(parents.values())), head)
        servers = {int(each.entity.id): int(each.subject.id) for each in found}
        return {
            FactKey(FactKind.THREAD, key.id, servers[parents[key.id]]): None
            for key in keys
            if servers.get(parents.get(key.id, 0))
        }
