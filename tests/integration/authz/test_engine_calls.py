"""What decisions cost in calls of the engine: none when remembered, a few when not, and none for each member."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.authz.decisions import Outcome
from services.authz.domain.changes import Change, SetChannel, SetRoles, SetSeat, SetServer
from services.authz.domain.rights import RIGHTS
from services.common.permissions import Permission as P
from tests.integration.authz.parts import ENGINES, Parts, parts

SERVER, OWNER = 10, 20
CHANNELS = tuple(range(200, 210))
COMBINATIONS = tuple((role,) for role in range(11, 14))
MEMBERS = tuple(range(1_000, 1_500))
EVERYONE = int(P.VIEW_CHANNEL | P.SEND_MESSAGES | P.MENTION_EVERYONE | P.ATTACH_FILES)

# Sovereign? Then on the server and in the channel: VIEW_CHANNEL, and each of the rights that are asked for.
WAVES_OF_A_SEND = 1 + 2 * 2
READS_OF_A_SEND = 3
"""The caller's facts in one call, and the channel's in two: attributes and relationships."""

SERVER_CALLS_OF_THE_READS = 3 + 3 + 1
"""Permify takes one type of entity in a call: server, seat, user; channel, thread, private channel; the channel's
server. What is of one line here is sent at once."""


def _roles(everyone: int) -> SetRoles:
    return SetRoles(SERVER, ((SERVER, everyone), *((role, 0) for (role,) in COMBINATIONS)))


@pytest.fixture(params=ENGINES)
async def authz(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts(request, tmp_path) as made:
        await _fill(made)
        yield made


@pytest.fixture(params=ENGINES)
async def as_built(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Parts]:
    """With what stands in front of Permify."""
    async with parts(request, tmp_path, remembering_rules=True) as made:
        await _fill(made)
        yield made


async def _fill(authz: Parts) -> None:
    seats: list[Change] = [
        SetSeat(SERVER, user, COMBINATIONS[user % len(COMBINATIONS)], muted=False) for user in MEMBERS
    ]
    channels = [SetChannel(SERVER, channel, ()) for channel in CHANNELS]
    await authz.apply(SetServer(SERVER, OWNER), _roles(EVERYONE), *channels, *seats)


async def _send(authz: Parts, user: int, *, optional: int = 0) -> None:
    decision = await authz.decisions.authorize_in_channel(
        user, CHANNELS[0], required=P.SEND_MESSAGES, optional=optional
    )
    assert decision.outcome is Outcome.ALLOWED


def _sent(authz: Parts) -> int:
    return 0 if authz.server_calls is None else authz.server_calls()


async def test_warm_send_calls_nobody(authz: Parts) -> None:
    await _send(authz, MEMBERS[0])
    authz.engine.forget()
    sent = _sent(authz)
    for _ in range(50):
        await _send(authz, MEMBERS[0])
    assert authz.engine.calls == 0
    assert _sent(authz) == sent


async def test_cold_send_calls_once_for_each_wave(authz: Parts) -> None:
    authz.engine.forget()
    sent = _sent(authz)
    await _send(authz, MEMBERS[0])
    checks = [asked for asked in authz.engine.asked if asked.kind == "check"]
    assert len(checks) == len(set(checks)) == WAVES_OF_A_SEND
    assert authz.engine.calls == WAVES_OF_A_SEND + READS_OF_A_SEND
    if authz.server_calls is not None:
        assert authz.server_calls() - sent == WAVES_OF_A_SEND + SERVER_CALLS_OF_THE_READS


async def test_send_from_nothing_waits_four_times_for_an_engine_behind_a_socket(as_built: Parts) -> None:
    """For the channel; for who asks, with what decides there; for the first two waves; and for those in the channel."""
    as_built.engine.forget()
    await _send(as_built, MEMBERS[0], optional=P.MENTION_EVERYONE)
    assert as_built.engine.round_trips == 4


async def test_each_further_right_costs_two_calls_at_most(authz: Parts) -> None:
    await _send(authz, MEMBERS[0])
    authz.engine.forget()
    await _send(authz, MEMBERS[0], optional=P.MENTION_EVERYONE | P.ATTACH_FILES)
    assert authz.engine.calls == 2 * 2


async def test_another_member_with_equal_roles_costs_the_reading_of_their_facts(authz: Parts) -> None:
    await _send(authz, MEMBERS[0])
    authz.engine.forget()
    await _send(authz, MEMBERS[len(COMBINATIONS)])
    assert authz.engine.calls == 1
    assert not [asked for asked in authz.engine.asked if asked.kind == "check"]


async def test_audience_of_500_costs_what_the_combinations_of_roles_cost(authz: Parts) -> None:
    authz.engine.forget()
    groups = await authz.audiences.compute(SERVER, MEMBERS)
    assert sum(len(group.user_ids) for group in groups) == len(MEMBERS)
    checks = [asked for asked in authz.engine.asked if asked.kind == "check"]
    assert len(checks) <= len(COMBINATIONS) * (len(RIGHTS) + len(CHANNELS))
    # All facts of all members in one call.
    assert authz.engine.calls - len(checks) <= 4


async def test_rights_that_nobody_wants_to_know_are_not_asked_about(authz: Parts) -> None:
    authz.engine.forget()
    found = await authz.decisions.permissions(MEMBERS[0], SERVER, CHANNELS, P.VIEW_CHANNEL)
    assert found is not None
    assert found.channels == tuple((channel, P.VIEW_CHANNEL) for channel in CHANNELS)
    # Sovereign? On the server? In each channel?
    assert sum(asked.kind == "check" for asked in authz.engine.asked) == 2 + len(CHANNELS)

    authz.engine.forget()
    (group,) = await authz.audiences.compute(SERVER, MEMBERS[:1], P.MENTION_EVERYONE)
    assert group.permissions == P.MENTION_EVERYONE
    assert [asked.kind for asked in authz.engine.asked if asked.kind != "list"] == ["check"]


async def test_list_of_all_channels_is_warm_the_second_time(authz: Parts) -> None:
    first = await authz.decisions.permissions(MEMBERS[0], SERVER, CHANNELS)
    authz.engine.forget()
    assert await authz.decisions.permissions(MEMBERS[0], SERVER, CHANNELS) == first
    assert authz.engine.calls == 0


async def test_nobody_is_asked_for_a_recipient_when_the_audience_is_known(authz: Parts) -> None:
    await authz.audiences.compute(SERVER, MEMBERS)
    authz.engine.forget()
    sent = _sent(authz)
    for _ in range(3):
        await authz.audiences.compute(SERVER, MEMBERS)
    assert authz.engine.calls == 0
    assert _sent(authz) == sent


@pytest.mark.parametrize("members", [50, 500])
async def test_refill_after_an_edit_costs_the_same_for_few_and_for_many(authz: Parts, members: int) -> None:
    await authz.audiences.compute(SERVER, MEMBERS[:members])
    await authz.apply(_roles(EVERYONE & ~P.MENTION_EVERYONE))
    authz.engine.forget()
    await authz.audiences.compute(SERVER, MEMBERS[:members])
    # The server's facts; then every right on the server for each combination. No channel's answer has changed.
    assert authz.engine.calls == 1 + len(COMBINATIONS) * len(RIGHTS)


async def test_cold_send_as_built_asks_no_more_than_the_waves(as_built: Parts) -> None:
    as_built.engine.forget()
    await _send(as_built, MEMBERS[0])
    checks = [asked for asked in as_built.engine.asked if asked.kind == "check"]
    assert len(checks) <= WAVES_OF_A_SEND
    # And the facts of the rights: once for the server, once for the channel.
    assert as_built.engine.calls <= WAVES_OF_A_SEND + READS_OF_A_SEND + 2


@pytest.mark.parametrize("taken", [P.MENTION_EVERYONE, P.VIEW_CHANNEL])
async def test_edit_of_everyone_asks_permify_about_what_differs_once_for_each_combination(
    as_built: Parts, taken: P
) -> None:
    await as_built.audiences.compute(SERVER, MEMBERS)
    await as_built.apply(_roles(EVERYONE & ~taken))
    as_built.engine.forget()
    await as_built.audiences.compute(SERVER, MEMBERS)
    checks = [asked for asked in as_built.engine.asked if asked.kind == "check"]
    # Of all channels together: nothing tells them apart.
    assert len(checks) <= 2 * len(COMBINATIONS)
    assert as_built.engine.calls - len(checks) == 2
