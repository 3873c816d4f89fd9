"""When a difference is drift, and when nothing can be told yet."""

import pytest

from services.authz.config import DEFAULTS
from services.authz.domain.changes import (
    Change,
    Overwrite,
    RemoveChannel,
    RemoveSeat,
    RemoveServer,
    SetChannel,
    SetFrozen,
    SetPrivateChannel,
    SetRoles,
    SetSeat,
    SetServer,
    SetSuspended,
    SetThread,
)
from services.authz.domain.drift import Comparison, DriftKind, Held, Stated, compare
from services.authz.domain.fact_keys import key_of
from services.authz.domain.facts import (
    CHANNEL_RIGHT,
    SERVER_RIGHT,
    Attribute,
    Entity,
    Relationship,
    Value,
    channel_entity,
    server_entity,
    thread_entity,
)
from services.authz.domain.projection import project
from services.authz.domain.schema import parse_schema

SERVER, OTHER, CHANNEL, USER = 1, 2, 3, 4
SEAT = SetSeat(SERVER, USER, (7,), muted=False)
EVERY_CHANGE: tuple[Change, ...] = (
    SetServer(SERVER, USER),
    SetRoles(SERVER, ((SERVER, 0),)),
    SetFrozen(SERVER, frozen=True),
    SetChannel(SERVER, CHANNEL, ()),
    SEAT,
    SetThread(SERVER, 5, CHANNEL, locked=False, archived=False),
    SetPrivateChannel(6, (USER,), silenced=False),
    SetSuspended(USER, suspended=True),
)


def held_as(change: Change, version: int, *more: Attribute | Relationship) -> Held:
    """What authz holds after it applied the change at that version; and more."""
    projection = project(change)
    attributes: dict[Entity, dict[str, Value]] = {}
    facts = (*projection.attributes, Attribute(*projection.version, version), *more)
    relationships = {*projection.relationships, *(each for each in facts if isinstance(each, Relationship))}
    for fact in facts:
        if isinstance(fact, Attribute):
            attributes.setdefault(fact.entity, {})[fact.name] = fact.value
    return Held(attributes, frozenset(relationships))


def kinds(comparison: Comparison) -> list[tuple[str, DriftKind]]:
    return [(difference.fact, difference.kind) for difference in comparison.differences]


@pytest.mark.parametrize("change", EVERY_CHANGE, ids=lambda change: type(change).__name__)
@pytest.mark.parametrize("held_version", [1, 9])
def test_what_is_held_as_it_was_stated_is_no_drift(change: Change, held_version: int) -> None:
    assert compare(Stated(change, 9, told=True), held_as(change, held_version)) == Comparison(held_version)


@pytest.mark.parametrize("change", EVERY_CHANGE, ids=lambda change: type(change).__name__)
def test_nothing_held_is_missing(change: Change) -> None:
    found = compare(Stated(change, 9, told=True), Held({}, frozenset()))
    assert found.differences
    assert {difference.kind for difference in found.differences} == {DriftKind.MISSING}
    assert found.repair is not None
    assert (found.repair.version, found.repair.instead_of) == (9, 0)


def test_difference_is_drift_only_when_authz_was_told() -> None:
    held = held_as(SetSeat(SERVER, USER, (7, 8), muted=False), 5)
    assert compare(Stated(SEAT, 9, told=False), held).changing
    drift = compare(Stated(SEAT, 9, told=True), held)
    assert kinds(drift) == [("seat:1.4$roles", DriftKind.EXTRA)]
    assert compare(Stated(SEAT, 9, told=False), held, last=True) == drift


def test_source_is_asked_again_when_authz_holds_a_newer_version() -> None:
    held = held_as(SetSeat(SERVER, USER, (), muted=True), 10)
    changing = compare(Stated(SEAT, 9, told=True), held)
    assert (changing.changing, changing.held_version) == (True, 10)
    # It has moved on, and authz again: still nothing can be told.
    assert compare(Stated(SEAT, 10, told=True, seen_version=10), held_as(SEAT, 11)).changing
    # Also at the last: what changes all the time was not compared.
    assert compare(Stated(SEAT, 9, told=True), held, last=True).changing


def test_source_that_still_states_an_older_version_has_lost_what_it_told() -> None:
    found = compare(Stated(SEAT, 9, told=True, seen_version=10), held_as(SEAT, 10))
    assert kinds(found) == [("seat:1.4$version", DriftKind.WRONG)]
    assert (found.differences[0].expected, found.differences[0].found) == ("at most 9", "10")
    assert found.repair is not None
    assert (found.repair.version, found.repair.instead_of) == (9, 10)


def test_removal_of_the_server_makes_what_is_in_it_newer() -> None:
    """It raises no version but the owner's, and takes away roles and channels."""
    for change in (SetRoles(SERVER, ((SERVER, 1),)), SetChannel(SERVER, CHANNEL, ()), SEAT):
        gone = held_as(RemoveServer(SERVER), 10, Attribute(*project(change).version, 4))
        assert compare(Stated(change, 9, told=True), gone).changing


def test_what_hung_on_a_server_that_is_gone_is_not_looked_at() -> None:
    assert compare(Stated(RemoveSeat(SERVER, USER), 0, told=True), held_as(SEAT, 5)) == Comparison(5)
    assert kinds(compare(Stated(RemoveSeat(SERVER, USER), 6, told=True), held_as(SEAT, 5))) == [
        ("seat:1.4$roles", DriftKind.EXTRA)
    ]


def test_server_that_is_gone_is_repaired_at_the_version_that_is_held() -> None:
    found = compare(Stated(RemoveServer(SERVER), 0, told=True), held_as(SetServer(SERVER, USER), 5))
    assert kinds(found) == [("server:1$owner", DriftKind.EXTRA)]
    assert found.repair is not None
    assert (found.repair.version, found.repair.instead_of) == (5, 5)


def test_channel_of_a_second_server_loses_only_that() -> None:
    change = SetChannel(SERVER, CHANNEL, (Overwrite(USER, is_member=True, allow=1024, deny=0),))
    extra = Relationship(channel_entity(CHANNEL), "server", server_entity(OTHER))
    found = compare(Stated(change, 9, told=True), held_as(change, 5, extra))
    assert kinds(found) == [("channel:3#server", DriftKind.EXTRA)]
    assert found.repair is not None
    (repair,) = found.repair.projections
    assert repair.removed is not None
    assert (repair.removed.entity_ids, repair.removed.subject) == ((str(CHANNEL),), server_entity(OTHER))


def test_channel_that_is_gone_is_in_no_server() -> None:
    held = held_as(SetChannel(SERVER, CHANNEL, ()), 5)
    found = compare(Stated(RemoveChannel(SERVER, CHANNEL), 6, told=True), held)
    assert kinds(found) == [("channel:3#server", DriftKind.EXTRA)]


@pytest.mark.parametrize(
    ("stated", "held", "kind"),
    [
        ((7,), (7, 8), DriftKind.EXTRA),
        ((7, 8), (7,), DriftKind.MISSING),
        ((7,), (8,), DriftKind.WRONG),
    ],
)
def test_lists_are_compared_as_sets(stated: tuple[int, ...], held: tuple[int, ...], kind: DriftKind) -> None:
    found = compare(
        Stated(SetSeat(SERVER, USER, stated, muted=False), 9, told=True),
        held_as(SetSeat(SERVER, USER, held, muted=False), 5),
    )
    assert [difference.kind for difference in found.differences] == [kind]


def test_order_of_a_list_means_nothing() -> None:
    shuffled = Attribute(Entity("seat", "1.4"), "roles", ("7", "1"))
    assert not compare(Stated(SEAT, 9, told=True), held_as(SEAT, 5, shuffled)).differences


def test_every_fact_of_the_schema_is_compared() -> None:
    """A new attribute or relation that nobody compares would drift unseen."""
    compared = {(entity.type, name) for change in EVERY_CHANGE for entity, name, _ in project(change).attributes}
    compared |= {(key.entity.type, key.name) for key in (project(change).version for change in EVERY_CHANGE)}
    compared |= {
        (relationship.entity.type, relationship.relation)
        for change in EVERY_CHANGE
        for relationship in project(change).relationships
    }
    schema = parse_schema(DEFAULTS.schema.read_text())
    facts = {
        (entity.name, name) for entity in schema.entities.values() for name in (*entity.attributes, *entity.relations)
    }
    # Written by nobody: webhooks post without it.
    assert facts - compared == {("channel", "webhook")}


def test_rights_say_nothing_by_themselves() -> None:
    """They count for an owner's server, and a channel's: which are listed."""
    for kind in (SERVER_RIGHT, CHANNEL_RIGHT):
        assert key_of(Attribute(Entity(kind, "1.send_messages"), "granted", ("1",))) is None
    assert key_of(Attribute(thread_entity(5), "parent", "")) is None
    assert key_of(Attribute(Entity("seat", "no.ids"), "roles", ("1",))) is None
