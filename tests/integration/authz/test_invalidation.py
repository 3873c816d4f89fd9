"""The table of docs/adr/0005, row by row: a change ends exactly these epochs, and of what is remembered exactly this
is asked again."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from services.authz.domain.changes import (
    Change,
    Overwrite,
    RemoveChannel,
    RemovePrivateChannel,
    RemoveSeat,
    RemoveServer,
    RemoveThread,
    SetChannel,
    SetFrozen,
    SetPrivateChannel,
    SetRoles,
    SetSeat,
    SetServer,
    SetSuspended,
    SetThread,
)
from services.authz.domain.facts import Entity
from services.authz.domain.projection import (
    Epoch,
    channel_epoch,
    channels_epoch,
    seat_epoch,
    server_epoch,
    user_epoch,
)
from services.common.permissions import Permission as P
from tests.integration.authz.parts import ENGINES, Parts, parts
from tests.support.counted_engine import Asked

DECISION = Path("docs/adr/0005-decisions-and-epochs.md")

SERVER, ELSEWHERE = 100, 500
MODERATOR, KICKER = 101, 102
OWNER, ANNE, BERT, CARL, DORA, EVE = range(1, 7)
USERS = (OWNER, ANNE, BERT, CARL, DORA, EVE)
FIRST, SECOND, NEW, FAR = 201, 202, 203, 501
THREAD = 301
PRIVATE, OTHER_PRIVATE = 401, 402

EVERYONE = int(P.VIEW_CHANNEL | P.SEND_MESSAGES | P.SEND_MESSAGES_IN_THREADS)
ROLES = {SERVER: EVERYONE, MODERATOR: int(P.MANAGE_MESSAGES), KICKER: int(P.KICK_MEMBERS)}
OVERWRITES = (
    Overwrite(MODERATOR, is_member=False, allow=int(P.PIN_MESSAGES), deny=0),
    Overwrite(CARL, is_member=True, allow=0, deny=int(P.SEND_MESSAGES)),
)


def _roles(**changed: int | None) -> SetRoles:
    by_name = {"everyone": SERVER, "moderator": MODERATOR, "kicker": KICKER, "new": 103}
    roles = ROLES | {by_name[name]: bits for name, bits in changed.items()}
    return SetRoles(SERVER, tuple((role, bits) for role, bits in roles.items() if bits is not None))


def _seat(user: int, *roles: int, muted: bool = False, server: int = SERVER) -> SetSeat:
    return SetSeat(server, user, roles, muted)


# OWNER, DORA and CARL hold no role, and CARL has an overwrite of his own; EVE is no member.
START: tuple[Change, ...] = (
    SetServer(SERVER, OWNER),
    _roles(),
    SetChannel(SERVER, FIRST, OVERWRITES),
    SetChannel(SERVER, SECOND, ()),
    SetThread(SERVER, THREAD, FIRST, locked=False, archived=False),
    *(_seat(user) for user in (OWNER, CARL, DORA)),
    _seat(ANNE, MODERATOR),
    _seat(BERT, KICKER),
    SetServer(ELSEWHERE, OWNER),
    SetRoles(ELSEWHERE, ((ELSEWHERE, EVERYONE),)),
    SetChannel(ELSEWHERE, FAR, ()),
    _seat(ANNE, server=ELSEWHERE),
    SetPrivateChannel(PRIVATE, (ANNE, DORA), silenced=False),
    SetPrivateChannel(OTHER_PRIVATE, (BERT, CARL), silenced=False),
)

EPOCHS: tuple[Epoch, ...] = (
    *(epoch(server) for epoch in (server_epoch, channels_epoch) for server in (SERVER, ELSEWHERE)),
    *(channel_epoch(place) for place in (FIRST, SECOND, NEW, FAR, THREAD, PRIVATE, OTHER_PRIVATE)),
    *(seat_epoch(server, user) for server in (SERVER, ELSEWHERE) for user in USERS),
    *(user_epoch(user) for user in USERS),
)

THE_SERVER, ITS_RIGHTS, ITS_LIST = "read server 100", "check server_right 100", "list server 100"
IN_FIRST, IN_SECOND = "check channel_right 201", "check channel_right 202"


@dataclass(frozen=True)
class Case:
    """A change on top of the start (and of `before`): the epochs that it ends, and what is asked again then."""

    change: Change
    epochs: frozenset[Epoch]
    asked: frozenset[str]
    before: tuple[Change, ...] = ()


def _case(change: Change, epochs: set[Epoch], *asked: str, before: tuple[Change, ...] = ()) -> Case:
    return Case(change, frozenset(epochs), frozenset(asked), before)


_SERVER: set[Epoch] = {server_epoch(SERVER)}

CASES = {
    "owner, to one with other roles": _case(
        SetServer(SERVER, BERT), _SERVER, THE_SERVER, ITS_RIGHTS, IN_FIRST, IN_SECOND
    ),
    "owner, to one with equal roles": _case(SetServer(SERVER, DORA), _SERVER, THE_SERVER, ITS_RIGHTS),
    "role edited: a right that channels do not have": _case(
        _roles(kicker=int(P.KICK_MEMBERS | P.BAN_MEMBERS)), _SERVER, THE_SERVER, ITS_RIGHTS
    ),
    "role edited: a right in channels": _case(
        _roles(moderator=0), _SERVER, THE_SERVER, ITS_RIGHTS, IN_FIRST, IN_SECOND
    ),
    "role created": _case(_roles(new=int(P.MANAGE_CHANNELS)), _SERVER, THE_SERVER, ITS_RIGHTS),
    "role deleted": _case(_roles(moderator=None), _SERVER, THE_SERVER, ITS_RIGHTS),
    "frozen": _case(SetFrozen(SERVER, True), _SERVER, THE_SERVER, ITS_RIGHTS, IN_FIRST, IN_SECOND),
    "thawed": _case(SetFrozen(SERVER, False), _SERVER, THE_SERVER, ITS_RIGHTS, before=(SetFrozen(SERVER, True),)),
    "server removed": _case(RemoveServer(SERVER), {server_epoch(SERVER), channels_epoch(SERVER)}, THE_SERVER, ITS_LIST),
    "overwrites edited": _case(
        SetChannel(SERVER, FIRST, OVERWRITES[:1]),
        {channel_epoch(FIRST), channels_epoch(SERVER)},
        "read channel 201",
        ITS_LIST,
        IN_FIRST,
    ),
    "channel created": _case(
        SetChannel(SERVER, NEW, ()),
        {channel_epoch(NEW), channels_epoch(SERVER)},
        "read channel 203",
        ITS_LIST,
        "check channel_right 203",
    ),
    "channel removed": _case(
        RemoveChannel(SERVER, SECOND), {channel_epoch(SECOND), channels_epoch(SERVER)}, "read channel 202", ITS_LIST
    ),
    "join": _case(_seat(EVE), {seat_epoch(SERVER, EVE)}, "read seat 100.6"),
    "role given, as others have it": _case(_seat(BERT, MODERATOR), {seat_epoch(SERVER, BERT)}, "read seat 100.3"),
    "role given, as nobody has it": _case(
        _seat(BERT, MODERATOR, KICKER),
        {seat_epoch(SERVER, BERT)},
        "read seat 100.3",
        ITS_RIGHTS,
        IN_FIRST,
        IN_SECOND,
    ),
    "muted": _case(
        _seat(BERT, KICKER, muted=True),
        {seat_epoch(SERVER, BERT)},
        "read seat 100.3",
        ITS_RIGHTS,
        IN_FIRST,
        IN_SECOND,
    ),
    "mute ended": _case(
        _seat(BERT, KICKER),
        {seat_epoch(SERVER, BERT)},
        "read seat 100.3",
        before=(_seat(BERT, KICKER, muted=True),),
    ),
    "leave, kick, ban": _case(RemoveSeat(SERVER, ANNE), {seat_epoch(SERVER, ANNE)}, "read seat 100.2"),
    "suspended": _case(
        SetSuspended(BERT, True),
        {user_epoch(BERT)},
        "read user 3",
        ITS_RIGHTS,
        IN_FIRST,
        IN_SECOND,
        "check private_channel 402",
    ),
    "released": _case(SetSuspended(BERT, False), {user_epoch(BERT)}, "read user 3", before=(SetSuspended(BERT, True),)),
    "participants, or a block between two": _case(
        SetPrivateChannel(PRIVATE, (ANNE, DORA), silenced=True),
        {channel_epoch(PRIVATE)},
        "read channel 401",
        "check private_channel 401",
    ),
    "private channel removed": _case(RemovePrivateChannel(PRIVATE), {channel_epoch(PRIVATE)}, "read channel 401"),
    "thread created, locked, archived": _case(
        SetThread(SERVER, THREAD, FIRST, locked=True, archived=False), {channel_epoch(THREAD)}, "read channel 301"
    ),
    "thread removed": _case(RemoveThread(SERVER, THREAD), {channel_epoch(THREAD)}, "read channel 301"),
}


@pytest.fixture(params=ENGINES)
async def authz(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts(request, tmp_path) as made:
        await made.apply(*START)
        yield made


async def _ask_everything(authz: Parts) -> None:
    """Everybody, about everything that there is."""
    decisions = authz.decisions
    there = P.MANAGE_MESSAGES | P.PIN_MESSAGES | P.MANAGE_THREADS
    for user in USERS:
        for place in (FIRST, SECOND, THREAD, FAR, PRIVATE, OTHER_PRIVATE):
            await decisions.authorize_in_channel(user, place, required=P.SEND_MESSAGES, optional=there)
        for server in (SERVER, ELSEWHERE):
            await decisions.authorize_on_server(user, server, required=P.KICK_MEMBERS, optional=P.BAN_MEMBERS)
    for server in (SERVER, ELSEWHERE):
        await authz.audiences.compute(server, USERS)


async def _asked_again(authz: Parts) -> set[str]:
    """What everything asks of the engine now. A second time it asks nothing."""
    authz.engine.forget()
    await _ask_everything(authz)
    asked = {_name(one) for one in authz.engine.asked}
    authz.engine.forget()
    await _ask_everything(authz)
    assert authz.engine.calls == 0
    return asked


def _name(asked: Asked) -> str:
    kind, entity = asked
    if kind == "check":
        # A right is SERVER.NAME or CHANNEL.NAME.
        return f"check {entity.type} {entity.id.partition('.')[0]}"
    # What is behind the id of a channel, a thread or a private channel is read together.
    of_channel = entity.type in ("thread", "private_channel")
    return f"{kind} {'channel' if of_channel else entity.type} {entity.id}"


@pytest.mark.parametrize("name", CASES)
async def test_change_ends_what_the_table_names_and_nothing_else(authz: Parts, name: str) -> None:
    case = CASES[name]
    await _ask_everything(authz)
    for change in case.before:
        await authz.apply(change)
        await _ask_everything(authz)
    before = {epoch: authz.epochs.of(epoch) for epoch in EPOCHS}
    await authz.apply(case.change)
    assert {epoch for epoch in EPOCHS if authz.epochs.of(epoch) != before[epoch]} == case.epochs
    assert await _asked_again(authz) == case.asked


async def test_role_edit_asks_in_channels_only_for_the_right_that_it_changed(authz: Parts) -> None:
    await _ask_everything(authz)
    await authz.apply(_roles(moderator=0))
    authz.engine.forget()
    await _ask_everything(authz)
    in_channels = [entity for kind, entity in authz.engine.asked if kind == "check" and entity.type == "channel_right"]
    # Once for all moderators, and once in the channel whose overwrites name CARL: he is asked about on his own there,
    # but does not hold the role.
    assert in_channels == [Entity("channel_right", f"{channel}.manage_messages") for channel in (FIRST, SECOND)]


async def test_edit_that_changes_nothing_of_a_member_asks_nothing_of_the_channels(authz: Parts) -> None:
    await _ask_everything(authz)
    # Sent again, as after a lost reply.
    await authz.apply(_roles())
    assert await _asked_again(authz) == {THE_SERVER, ITS_RIGHTS}


async def test_many_who_ask_the_same_at_once_make_one_question(authz: Parts) -> None:
    asking = [authz.decisions.authorize_in_channel(DORA, SECOND, required=P.SEND_MESSAGES) for _ in range(20)]
    answers = await asyncio.gather(*asking)
    assert {answer.missing for answer in answers} == {0}
    checks = [asked for asked in authz.engine.asked if asked.kind == "check"]
    assert len(checks) == len(set(checks)) == 5


def _rows() -> Iterator[tuple[str, str, set[str], set[str], set[str]]]:
    """Of the table: kind of change, what changed, epochs, what is read again, what is checked again."""
    for line in DECISION.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.match(r"\| `", line):
            kind, what, *words = cells
            yield kind.strip("`"), what, *(set() if cell == "none" else set(cell.split(", ")) for cell in words)  # type: ignore[misc]


def test_table_of_the_decision_says_what_was_tested() -> None:
    for kind, what, epochs, read, checked in _rows():
        case = CASES[what]
        assert kind == type(case.change).__name__, what
        assert epochs == {"list of channels" if epoch[0] == "channels" else str(epoch[0]) for epoch in case.epochs}, (
            what
        )
        words = [one.split() for one in case.asked]
        assert read == {"list of channels" if how == "list" else name for how, name, _ in words if how != "check"}, what
        assert checked == {name.replace("_", " ") for how, name, _ in words if how == "check"}, what


def test_table_names_every_kind_of_change() -> None:
    rows = list(_rows())
    assert [what for _, what, *_ in rows] == list(CASES)
    assert {kind for kind, *_ in rows} == {kind.__name__ for kind in get_args(Change)}
