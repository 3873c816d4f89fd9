import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import pytest

from services.authz.config import DEFAULTS
from services.authz.domain.changes import Change, Overwrite, RemoveChannel, RemoveSeat, SetChannel, SetRoles, SetSeat
from services.authz.domain.drift import Repair
from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter, channels_of, seat_entity
from services.authz.domain.projection import Epoch, channel_epoch, project, seat_epoch, server_epoch
from services.authz.epochs import Epochs
from services.authz.lane import QUEUE_LIMIT, Lane
from services.authz.reign import not_leading
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.store.ports import WRITE_LIMIT, Token
from services.common.errors import Internal, Unavailable

SERVER, OTHER_SERVER, USER, CHANNEL = 10, 13, 21, 12
SEAT = SetSeat(SERVER, USER, (11,), muted=False)


class Observed(EmbeddedAuthorizer):
    """The embedded engine, which counts its writes and fails or waits when it is told to."""

    writes = 0
    in_flight = 0
    most_in_flight = 0
    error: Exception | None = None
    held: asyncio.Event | None = None

    @cached_property
    def begun(self) -> asyncio.Event:
        return asyncio.Event()

    async def write(self, attributes: Sequence[Attribute], relationships: Sequence[Relationship] = ()) -> Token:
        self.writes += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.begun.set()
        try:
            if self.held is not None:
                await self.held.wait()
            token = await super().write(attributes, relationships)
            if self.error is not None:  # the reply is lost, not the write
                raise self.error
            return token
        finally:
            self.in_flight -= 1


class Fading:
    """A leadership that waits with the acknowledgement until all know, and comes to its end."""

    def __init__(self) -> None:
        self.over = False
        self.asked, self.known = asyncio.Event(), asyncio.Event()
        self.wrote_tokens: list[Token] = []

    async def may_write(self) -> None:
        if self.over:
            raise not_leading()

    def wrote(self, epochs: Iterable[Epoch], token: Token) -> None:
        self.wrote_tokens.append(token)

    async def known_to_all(self) -> None:
        self.asked.set()
        await self.known.wait()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Observed]:
    opened = await Observed.open(tmp_path / "authz.db")
    assert isinstance(opened, Observed)
    await opened.write_schema(DEFAULTS.schema.read_text())
    yield opened
    await opened.close()


@pytest.fixture
async def epochs(engine: Observed) -> Epochs:
    return Epochs(await engine.head())


@pytest.fixture
async def lane(engine: Observed, epochs: Epochs) -> AsyncIterator[Lane]:
    lane = Lane(engine, epochs)
    lane.start()
    yield lane
    await lane.close()


async def _roles(engine: Observed) -> object:
    facts = await engine.read_attributes([seat_entity(SERVER, USER)], await engine.head())
    return facts[seat_entity(SERVER, USER)]["roles"]


async def test_change_is_durable_and_bumped_when_it_is_acknowledged(
    engine: Observed, epochs: Epochs, lane: Lane
) -> None:
    token = await lane.apply(1, [SEAT])
    assert token == await engine.head() == epochs.of(seat_epoch(SERVER, USER))
    assert epochs.of(server_epoch(SERVER)) != token
    assert await _roles(engine) == ("10", "11")


async def test_what_queues_is_one_write_and_never_two_are_in_flight(engine: Observed, lane: Lane) -> None:
    seats = [SetSeat(SERVER, user, (), muted=False) for user in range(100, 150)]
    tokens = await asyncio.gather(*(lane.apply(1, [seat]) for seat in seats))
    assert engine.most_in_flight == 1
    assert engine.writes <= 2
    assert len(set(tokens)) == engine.writes


async def test_older_version_of_an_object_is_void(engine: Observed, epochs: Epochs, lane: Lane) -> None:
    await lane.apply(5, [SEAT])
    before = epochs.of(seat_epoch(SERVER, USER))
    await lane.apply(4, [SetSeat(SERVER, USER, (), muted=True), SetSeat(SERVER, 22, (), muted=True)])
    assert await _roles(engine) == ("10", "11")
    assert epochs.of(seat_epoch(SERVER, USER)) == before
    # It is only the object that is newer: what else the same request changes counts.
    assert epochs.of(seat_epoch(SERVER, 22)) != before


@pytest.mark.parametrize("together", [True, False])
async def test_late_change_does_not_bring_back_what_was_removed(engine: Observed, lane: Lane, together: bool) -> None:
    steps: list[tuple[int, Change]] = [(1, SEAT), (3, RemoveSeat(SERVER, USER)), (2, SEAT)]
    if together:
        await asyncio.gather(*(lane.apply(version, [change]) for version, change in steps))
    else:
        for version, change in steps:
            await lane.apply(version, [change])
    assert await _roles(engine) == ()


async def test_same_version_again_bumps_again_because_the_first_reply_may_have_been_lost(
    engine: Observed, epochs: Epochs, lane: Lane
) -> None:
    before = epochs.of(seat_epoch(SERVER, USER))
    engine.error = Unavailable("STORE_IO_ERROR")
    with pytest.raises(Unavailable):
        await lane.apply(1, [SEAT])
    # Written, but nobody knows: decisions stay with the state before.
    assert epochs.of(seat_epoch(SERVER, USER)) == before
    engine.error = None
    token = await lane.apply(1, [SEAT])
    assert epochs.of(seat_epoch(SERVER, USER)) == token != before


async def test_write_without_a_reply_is_shown_by_no_token_whose_epochs_do_not_tell_of_it(
    engine: Observed, epochs: Epochs, lane: Lane
) -> None:
    seat = seat_entity(SERVER, USER)
    engine.error = Unavailable("STORE_IO_ERROR")
    with pytest.raises(Unavailable):
        await lane.apply(1, [SEAT])
    engine.error = None
    # Each of them may be the first to show it: a seat read as of the head is then none of before.
    for version in (1, 2):
        token = await lane.apply(version, [SetSeat(OTHER_SERVER, USER, (), muted=False)])
        assert (await engine.read_attributes([seat], token))[seat]["roles"] == ("10", "11")
        assert epochs.of(seat_epoch(SERVER, USER)) == token
    repeated = await lane.apply(1, [SEAT])
    await lane.apply(3, [SetSeat(OTHER_SERVER, USER, (), muted=False)])
    assert epochs.of(seat_epoch(SERVER, USER)) == repeated


@pytest.mark.parametrize("together", [True, False])
async def test_removed_channel_is_gone_and_its_facts_with_it(
    engine: Observed, epochs: Epochs, lane: Lane, together: bool
) -> None:
    channel = SetChannel(SERVER, CHANNEL, (Overwrite(SERVER, is_member=False, allow=0, deny=1 << 10),))
    removal = RemoveChannel(SERVER, CHANNEL)
    if together:
        await asyncio.gather(lane.apply(1, [channel]), lane.apply(2, [removal]))
    else:
        await lane.apply(1, [channel])
        await lane.apply(2, [removal])
    head = await engine.head()
    assert epochs.of(channel_epoch(CHANNEL)) == head
    assert await engine.read_relationships(channels_of(SERVER), head) == []
    right = Entity("channel_right", f"{CHANNEL}.view_channel")
    assert (await engine.read_attributes([right], head)).get(right, {"overwrites": ()}) == {"overwrites": ()}


async def test_removal_and_what_follows_it_in_one_request_keep_their_order(engine: Observed, lane: Lane) -> None:
    channel = SetChannel(SERVER, CHANNEL, ())
    await lane.apply(1, [channel, RemoveChannel(SERVER, CHANNEL), channel])
    found = await engine.read_relationships(channels_of(SERVER), await engine.head())
    assert [relationship.entity.id for relationship in found] == [str(CHANNEL)]


async def test_request_larger_than_a_write_is_split(engine: Observed, lane: Lane) -> None:
    changes = [SetRoles(server, ((server, (1 << 47) - 1),)) for server in range(1, 60)]
    await lane.apply(1, [*changes])
    assert engine.writes > 59 * 47 / WRITE_LIMIT
    right = Entity("server_right", "59.view_channel")
    facts = await engine.read_attributes([right], await engine.head())
    assert facts[right]["granted"] == ("59",)


async def test_defect_that_one_change_meets_ends_no_other(engine: Observed, lane: Lane) -> None:
    engine.error = KeyError("nobody has thought of it")
    with pytest.raises(Internal):
        await lane.apply(1, [SEAT])
    engine.error = None
    assert await lane.apply(1, [SEAT]) == await engine.head()


async def test_waiting_changes_fail_when_the_lane_closes(engine: Observed, epochs: Epochs) -> None:
    lane = Lane(engine, epochs)
    with pytest.raises(Unavailable):
        await lane.apply(1, [SEAT])
    lane.start()
    waiting = [asyncio.ensure_future(lane.apply(1, [SEAT])) for _ in range(3)]
    await asyncio.sleep(0)
    await lane.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    with pytest.raises(Unavailable):
        await lane.apply(1, [SEAT])


async def test_lane_that_closes_leaves_no_write_in_flight_and_can_be_started_again(
    engine: Observed, lane: Lane, epochs: Epochs
) -> None:
    engine.held = asyncio.Event()
    applying = asyncio.ensure_future(lane.apply(1, [SEAT]))
    await engine.begun.wait()
    closing = asyncio.ensure_future(lane.close())
    await asyncio.sleep(0)
    assert not closing.done()
    with pytest.raises(Unavailable):
        await lane.apply(2, [SEAT])
    engine.held.set()
    await closing
    assert engine.in_flight == 0
    # It was written, so whoever waits is told so.
    assert await applying == epochs.of(seat_epoch(SERVER, USER))
    engine.held = None
    lane.start()
    assert await lane.apply(2, [SEAT]) == await engine.head()


async def test_nothing_is_written_or_acknowledged_that_the_leadership_forbids(engine: Observed, epochs: Epochs) -> None:
    leadership = Fading()
    lane = Lane(engine, epochs)
    lane.start(leadership)
    applying = asyncio.ensure_future(lane.apply(1, [SEAT]))
    await leadership.asked.wait()
    assert not applying.done()
    assert leadership.wrote_tokens == [epochs.head]
    leadership.known.set()
    await applying
    leadership.over = True
    writes = engine.writes
    with pytest.raises(Unavailable, match="NOT_LEADING"):
        await lane.apply(2, [SEAT])
    assert engine.writes == writes
    await lane.close()


async def test_changes_are_refused_when_too_many_wait(engine: Observed, lane: Lane) -> None:
    calls = [lane.apply(1, [SEAT]) for _ in range(QUEUE_LIMIT + 10)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [result for result in results if isinstance(result, Unavailable)]
    assert 0 < len(refused) <= 10
    assert {error.reason for error in refused} == {"FACTS_OVERLOADED"}


async def test_filter_of_a_removal_names_its_object() -> None:
    assert channels_of(SERVER) == RelationshipFilter("channel", "server", subject=Entity("server", str(SERVER)))


async def test_repair_writes_what_somebody_else_has_changed(engine: Observed, lane: Lane, epochs: Epochs) -> None:
    await lane.apply(5, [SEAT])
    planted = SetSeat(SERVER, USER, (11, 13), muted=True)
    await engine.write(project(planted).attributes)
    before = epochs.of(seat_epoch(SERVER, USER))
    await lane.repair(Repair(5, (project(SEAT),), instead_of=5))
    seat = seat_entity(SERVER, USER)
    facts = (await engine.read_attributes([seat], epochs.of(seat_epoch(SERVER, USER))))[seat]
    assert (facts["roles"], facts.get("muted", False), facts["version"]) == (("10", "11"), False, 5)
    assert epochs.of(seat_epoch(SERVER, USER)) != before


async def test_repair_takes_back_only_the_version_that_it_has_found(engine: Observed, lane: Lane) -> None:
    seat = seat_entity(SERVER, USER)

    async def version() -> object:
        return (await engine.read_attributes([seat], await engine.head()))[seat]["version"]

    await lane.apply(9, [SEAT])
    await lane.repair(Repair(5, (project(SEAT),), instead_of=8))
    assert await version() == 9  # something newer has come since
    await lane.repair(Repair(5, (project(SEAT),), instead_of=9))
    assert await version() == 5
    await lane.apply(6, [SEAT])
    assert await version() == 6
