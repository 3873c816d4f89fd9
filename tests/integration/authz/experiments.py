"""Experiments with authz on one engine. Each returns what was wrong: nothing, as long as no defect is planted."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol
from unittest.mock import patch

from beep.authz.v1 import authz_service_pb2 as pb
from beep.authz.v1 import facts_pb2 as facts
from services.authz import explain
from services.authz.answers import Answers, _Flight
from services.common.errors import BeepError, Unavailable
from services.common.permissions import Permission as P
from tests.integration.authz.engines import Engine
from tests.integration.authz.harness import Comparison, Tally, serving
from tests.integration.authz.row_lock import locked_row

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub


class Experiment(Protocol):
    @property
    def __name__(self) -> str: ...

    async def __call__(self, engine: Engine) -> list[str]: ...


@contextmanager
def forgetful(share: float, seed: int) -> Iterator[None]:
    """Let authz forget this share of the answers that it looks up."""
    entry, random = Answers._entry, Random(seed)

    def forgets(self: Answers, key: Any) -> Any:
        found = entry(self, key)
        return None if random.random() < share and not isinstance(found, _Flight) else found

    with patch.object(Answers, "_entry", forgets):
        yield


async def compare(
    engine: Engine, worlds: range, changes: int, *, at_once: int, forgotten: float = 0.02, stop_at_first: bool = False
) -> Tally:
    """These worlds on an authz of their own. The numbers are their seeds as well."""
    async with _serving(engine) as authz:
        comparison = Comparison(authz, engine.asking, stop_at_first=stop_at_first)
        waiting = iter(worlds)

        async def next_ones() -> None:
            for number in waiting:
                if stop_at_first and comparison.tally.wrong:
                    return
                await comparison.run(number, number, changes)

        with forgetful(forgotten, worlds.start), _disagreements() as comparison.tally.unexplained:
            await asyncio.gather(*(next_ones() for _ in range(at_once)))
    return comparison.tally


@contextmanager
def _disagreements() -> Iterator[list[str]]:
    """What authz says of refusals whose explanation comes to another end: it explains each, right after it."""

    found: list[str] = []
    logger, handler = logging.getLogger(explain.__name__), logging.Handler(logging.ERROR)
    handler.emit = lambda record: found.append(f"{record.getMessage()}: {vars(record)}")  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


@dataclass(frozen=True)
class RandomWorlds:
    """Always the same worlds, up to the first difference."""

    worlds: int = 60
    changes: int = 8
    __name__ = "random worlds"

    async def __call__(self, engine: Engine) -> list[str]:
        return (await compare(engine, range(self.worlds), self.changes, at_once=8, stop_at_first=True)).wrong


SERVER, OWNER, USER, ROLE, CHANNEL = 10, 20, 21, 11, 12
VIEW, SEND, BOTH, NONE = P.VIEW_CHANNEL, P.SEND_MESSAGES, P.VIEW_CHANNEL | P.SEND_MESSAGES, P(0)


class Stage:
    """A server with one channel, and one member, who has one role."""

    def __init__(self, authz: "AuthzServiceAsyncStub") -> None:
        self._authz = authz
        self._version = 0

    async def apply(self, *changes: facts.FactChange) -> None:
        self._version += 1
        request = pb.ApplyFactsRequest(server_id=SERVER, version=self._version, changes=changes)
        await self._authz.ApplyFacts(request)

    async def release(self, user: int) -> None:
        """Let somebody not be suspended, who was not: a change that nobody notices."""
        self._version += 1
        change = facts.FactChange(set_suspended=facts.SetSuspended(user_id=user))
        await self._authz.ApplyFacts(pb.ApplyFactsRequest(version=self._version, changes=[change]))

    async def may_send(self) -> tuple[bool, P]:
        """Whether the member may write in the channel, and what is missing."""
        answer = await self._authz.Authorize(pb.AuthorizeRequest(user_id=USER, channel_id=CHANNEL, required=SEND))
        return answer.outcome == pb.OUTCOME_ALLOWED, P(answer.missing)


@asynccontextmanager
async def staged(engine: Engine) -> AsyncIterator[Stage]:
    async with _serving(engine) as authz:
        stage = Stage(authz)
        await stage.apply(owner(OWNER), roles(NONE), seat(ROLE), channel(BOTH, NONE))
        yield stage


@asynccontextmanager
async def _serving(engine: Engine) -> AsyncIterator["AuthzServiceAsyncStub"]:
    with tempfile.TemporaryDirectory(prefix="authz-") as directory:
        async with serving(Path(directory), engine.settings()) as authz:
            yield authz


def owner(user: int) -> facts.FactChange:
    return facts.FactChange(set_server=facts.SetServer(server_id=SERVER, owner_id=user))


def frozen(frozen: bool) -> facts.FactChange:
    return facts.FactChange(set_frozen=facts.SetFrozen(server_id=SERVER, frozen=frozen))


def seat(*held: int, muted: bool = False) -> facts.FactChange:
    """The roles of the member."""
    return facts.FactChange(set_seat=facts.SetSeat(server_id=SERVER, user_id=USER, role_ids=held, muted=muted))


def roles(granted: P) -> facts.FactChange:
    """What the member's role grants; @everyone's grants nothing."""
    both = [facts.RolePermissions(role_id=SERVER), facts.RolePermissions(role_id=ROLE, permissions=granted)]
    return facts.FactChange(set_roles=facts.SetRoles(server_id=SERVER, roles=both))


def channel(allow: P, deny: P) -> facts.FactChange:
    """What the channel allows and denies to the member's role."""
    overwrite = facts.PermissionOverwrite(target_id=ROLE, target=facts.OVERWRITE_TARGET_ROLE, allow=allow, deny=deny)
    return facts.FactChange(set_channel=facts.SetChannel(server_id=SERVER, channel_id=CHANNEL, overwrites=[overwrite]))


@contextmanager
def after_check(engine: Engine, entity_id: str, happening: Callable[[], Awaitable[object]]) -> Iterator[None]:
    """Let something happen right after the engine's next answer about this entity, before authz has it."""
    check = engine.checks.check
    waiting = [happening]

    async def interrupted(self: Any, entity: Any, *arguments: Any, **named: Any) -> bool:
        answer: bool = await check(self, entity, *arguments, **named)
        if entity.id == entity_id and waiting:
            await waiting.pop()()
        return answer

    with patch.object(engine.checks, "check", interrupted):
        yield
    assert not waiting, f"nobody asked about {entity_id}"


async def swap_within_a_decision(engine: Engine) -> list[str]:
    """Before: may view, may not send. After: may send, may not view. What is true at no time: may send *here*.

    Random sequences hardly ever find a decision that mixes two states.
    """
    wrong = []
    async with staged(engine) as stage:
        await stage.apply(channel(allow=VIEW, deny=SEND))
        with after_check(engine, f"{CHANNEL}.view_channel", lambda: stage.apply(channel(allow=SEND, deny=VIEW))):
            during = await stage.may_send()
        if during != (False, SEND):
            wrong.append(f"during the swap: {during}")
        after = await stage.may_send()
        if after != (False, BOTH):
            wrong.append(f"after the swap: {after}")
    return wrong


async def grant_moves_within_a_decision(engine: Engine) -> list[str]:
    """Before: granted on the server, denied in the channel. After: neither. What is true at no time: may send."""
    wrong = []
    async with staged(engine) as stage:
        await stage.apply(roles(BOTH), channel(allow=VIEW, deny=SEND))
        with after_check(
            engine,
            f"{SERVER}.send_messages",
            lambda: stage.apply(roles(NONE), channel(allow=VIEW, deny=NONE)),
        ):
            during = await stage.may_send()
        after = await stage.may_send()
        for when, (allowed, _) in {"during": during, "after": after}.items():
            if allowed:
                wrong.append(f"{when} the edit: may send")
    return wrong


async def deny_moves_within_a_decision(engine: Engine) -> list[str]:
    """Before: granted nowhere. After: granted on the server, denied in the channel. Never true: may send."""
    wrong = []
    async with staged(engine) as stage:
        await stage.apply(roles(NONE), channel(allow=VIEW, deny=NONE))
        with after_check(
            engine, f"{CHANNEL}.view_channel", lambda: stage.apply(roles(BOTH), channel(allow=VIEW, deny=SEND))
        ):
            during = await stage.may_send()
        after = await stage.may_send()
        for when, (allowed, _) in {"during": during, "after": after}.items():
            if allowed:
                wrong.append(f"{when} the edit: may send")
    return wrong


async def revoke_within_a_decision(engine: Engine) -> list[str]:
    """What was decided before a revoke may be answered after it, but must not be remembered as of after it."""
    async with staged(engine) as stage:
        with after_check(engine, f"{CHANNEL}.send_messages", lambda: stage.apply(channel(allow=VIEW, deny=SEND))):
            await stage.may_send()
        return ["after the revoke: may send"] if (await stage.may_send())[0] else []


async def facts_come_and_go(engine: Engine) -> list[str]:
    """What a channel allows by itself depends on nothing of the server's but these, and comes back with them."""
    changes = {
        "frozen": (frozen(True), frozen(False)),
        "muted": (seat(ROLE, muted=True), seat(ROLE)),
        "without the role": (seat(), seat(ROLE)),
        "kicked": (facts.FactChange(remove_seat=facts.RemoveSeat(server_id=SERVER, user_id=USER)), seat(ROLE)),
    }
    wrong = []
    async with staged(engine) as stage:
        for what, (change, back) in changes.items():
            if not (await stage.may_send())[0]:
                wrong.append(f"not {what}: may not send")
            await stage.apply(change)
            if (await stage.may_send())[0]:
                wrong.append(f"{what}: may send")
            await stage.apply(back)
    return wrong


async def failure_within_a_decision(engine: Engine) -> list[str]:
    """An engine that fails is no answer, neither now nor to be remembered."""
    wrong = []

    async def fail() -> None:
        raise Unavailable("PLANTED", "The engine fails once.")

    async with staged(engine) as stage:
        with after_check(engine, f"{CHANNEL}.send_messages", fail):
            try:
                if not (await stage.may_send())[0]:
                    wrong.append("a failure was answered as a denial")
            except BeepError:
                pass
        if not (await stage.may_send())[0]:
            wrong.append("a failure was remembered as a denial")
    return wrong


async def write_without_a_reply(engine: Engine) -> list[str]:
    """Before: no role. After: the role, and the channel denies it. Never true: may send.

    Whether the change was written is not known until it is repeated; the next write of somebody else may show it.
    """
    write, failing = engine.adapter.write, [True]

    async def written_and_lost(self: Any, attributes: Any, *arguments: Any) -> Any:
        token = await write(self, attributes, *arguments)
        if attributes and failing:
            raise Unavailable(f"PLANTED {failing.pop()}", "The reply is lost once.")
        return token

    async with staged(engine) as stage:
        await stage.apply(roles(BOTH), channel(allow=NONE, deny=NONE), seat())
        with patch.object(engine.adapter, "write", written_and_lost), suppress(Unavailable):
            await stage.apply(seat(ROLE), channel(allow=NONE, deny=SEND))
        assert not failing
        await stage.release(99)
        return ["after a write without a reply: may send"] if (await stage.may_send())[0] else []


async def asks_under_swaps(engine: Engine) -> list[str]:
    """600 asks while the channel swaps what it denies: sending is allowed at no time. Nothing steps in between here."""
    async with staged(engine) as stage:
        await stage.apply(channel(allow=VIEW, deny=SEND))

        async def ask() -> list[str]:
            found = []
            for _ in range(100):
                allowed, missing = await stage.may_send()
                if allowed or missing not in (SEND, BOTH):
                    found.append(f"under swaps: allowed {allowed}, missing {missing!r}")
            return found

        async def swap(asking: "asyncio.Future[list[list[str]]]") -> None:
            denied = [VIEW, SEND]
            while not asking.done():
                await stage.apply(channel(allow=denied[1], deny=denied[0]))
                denied.reverse()

        with forgetful(0.2, seed=1):
            asking = asyncio.gather(*(ask() for _ in range(6)))
            await asyncio.gather(asking, swap(asking))
        return [one for found in await asking for one in found]


async def writes_at_once(engine: Engine) -> list[str]:
    """However many want to change facts: the engine has one write in flight."""
    in_flight, most = 0, 0
    write = engine.adapter.write

    async def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        try:
            return await write(self, *arguments, **named)
        finally:
            in_flight -= 1

    async with staged(engine) as stage:
        with patch.object(engine.adapter, "write", counted):
            await asyncio.gather(*(stage.apply(roles(BOTH)) for _ in range(20)))
    return [f"{most} writes in flight"] if most > 1 else []


async def overlapping_writes(engine: Engine) -> list[str]:
    """What is acknowledged stays so when an earlier change takes longer. For a Permify with its database in reach.

    A snap token of Permify is taken when the transaction of its write begins, and excludes for ever what is in flight
    then. So a row is locked that the first write needs. If another write may run beside it, that one is acknowledged
    first; then the first is, and its token, the newest that there is, stands for a state without the second. The lane
    never has two in flight: here the second waits for the first.
    """
    settings = engine.settings()
    assert settings.permify is not None
    tenant, stranger = settings.permify.tenant, "99"
    engine = replace(engine, settings=lambda: settings)
    async with staged(engine) as stage:
        await stage.apply(roles(BOTH), channel(NONE, NONE))
        await stage.release(int(stranger))
        async with locked_row(engine.database, tenant, "user", stranger, "version") as row:
            first = asyncio.ensure_future(stage.release(int(stranger)))
            await row.is_waited_for()
            second = asyncio.ensure_future(stage.apply(seat()))
            await asyncio.wait([second], timeout=0.2)
        await asyncio.gather(first, second)
        return ["without the role: may send"] if (await stage.may_send())[0] else []


DIRECTED: tuple[Experiment, ...] = (
    swap_within_a_decision,
    grant_moves_within_a_decision,
    deny_moves_within_a_decision,
    revoke_within_a_decision,
    facts_come_and_go,
    failure_within_a_decision,
    write_without_a_reply,
    asks_under_swaps,
    writes_at_once,
)
