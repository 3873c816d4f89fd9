"""What a caller of authz may ask, and what it gets for a wrong question."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from beep.authz.v1 import authz_service_pb2 as pb
from beep.authz.v1 import facts_pb2 as facts
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from services.common.auth import Principal, PrincipalKind
from services.common.errors import InvalidArgument, PermissionDenied
from services.common.permissions import Permission as P
from tests.integration.authz.harness import serving

SERVER, OWNER, USER, STRANGER, CHANNEL = 10, 20, 21, 22, 12


def _state() -> list[facts.FactChange]:
    everyone = int(P.VIEW_CHANNEL | P.SEND_MESSAGES | P.ATTACH_FILES)
    return [
        facts.FactChange(set_server=facts.SetServer(server_id=SERVER, owner_id=OWNER)),
        facts.FactChange(
            set_roles=facts.SetRoles(
                server_id=SERVER, roles=[facts.RolePermissions(role_id=SERVER, permissions=everyone)]
            )
        ),
        facts.FactChange(set_channel=facts.SetChannel(server_id=SERVER, channel_id=CHANNEL)),
        *(facts.FactChange(set_seat=facts.SetSeat(server_id=SERVER, user_id=user)) for user in (OWNER, USER)),
    ]


@pytest.fixture
async def authz(tmp_path: Path) -> AsyncIterator[AuthzServiceStub]:
    async with serving(tmp_path) as authz:
        await authz.ApplyFacts(pb.ApplyFactsRequest(server_id=SERVER, version=1, changes=_state()))
        yield authz


async def test_authorize_reports_what_is_missing_and_what_is_granted_besides(authz: AuthzServiceStub) -> None:
    request = pb.AuthorizeRequest(
        user_id=USER,
        channel_id=CHANNEL,
        required=P.SEND_MESSAGES | P.MANAGE_MESSAGES,
        optional=P.ATTACH_FILES | P.EMBED_LINKS,
    )
    answer = await authz.Authorize(request)
    assert (answer.outcome, answer.missing, answer.granted) == (pb.OUTCOME_DENIED, P.MANAGE_MESSAGES, P.ATTACH_FILES)
    assert (answer.server_id, answer.is_owner, list(answer.role_ids)) == (SERVER, False, [])
    assert answer.decision_id
    assert (await authz.Authorize(request)).decision_id != answer.decision_id


async def test_owner_may_everything(authz: AuthzServiceStub) -> None:
    answer = await authz.Authorize(pb.AuthorizeRequest(user_id=OWNER, server_id=SERVER, required=sum(P)))
    assert (answer.outcome, answer.is_owner) == (pb.OUTCOME_ALLOWED, True)


@pytest.mark.parametrize(
    "request_",
    [
        pb.AuthorizeRequest(user_id=STRANGER, server_id=SERVER),
        pb.AuthorizeRequest(user_id=STRANGER, channel_id=CHANNEL),
        pb.AuthorizeRequest(user_id=USER, server_id=999),
        pb.AuthorizeRequest(user_id=USER, channel_id=999),
    ],
)
async def test_outsider_and_nothing_look_the_same(authz: AuthzServiceStub, request_: pb.AuthorizeRequest) -> None:
    answer = await authz.Authorize(request_)
    answer.decision_id = ""
    assert answer == pb.AuthorizeResponse(outcome=pb.OUTCOME_HIDDEN)


async def test_removed_server_is_hidden_with_its_channels(authz: AuthzServiceStub) -> None:
    removal = facts.FactChange(remove_server=facts.RemoveServer(server_id=SERVER))
    await authz.ApplyFacts(pb.ApplyFactsRequest(server_id=SERVER, version=2, changes=[removal]))
    for request in (
        pb.AuthorizeRequest(user_id=OWNER, server_id=SERVER),
        pb.AuthorizeRequest(user_id=OWNER, channel_id=CHANNEL),
    ):
        assert (await authz.Authorize(request)).outcome == pb.OUTCOME_HIDDEN
    audience = await authz.ComputeAudience(pb.ComputeAudienceRequest(server_id=SERVER, user_ids=[OWNER, USER]))
    assert not audience.groups


async def test_members_with_equal_roles_are_one_group_of_an_audience(authz: AuthzServiceStub) -> None:
    seats = [facts.FactChange(set_seat=facts.SetSeat(server_id=SERVER, user_id=user)) for user in range(100, 120)]
    await authz.ApplyFacts(pb.ApplyFactsRequest(server_id=SERVER, version=2, changes=seats))
    users = [STRANGER, USER, *range(100, 120), USER]
    answer = await authz.ComputeAudience(pb.ComputeAudienceRequest(server_id=SERVER, user_ids=users))
    (group,) = answer.groups
    assert list(group.user_ids) == [USER, *range(100, 120)]
    assert list(group.channel_ids) == [CHANNEL]
    assert group.permissions == P.VIEW_CHANNEL | P.SEND_MESSAGES | P.ATTACH_FILES


async def test_channel_of_another_server_has_no_permissions_here(authz: AuthzServiceStub) -> None:
    request = pb.GetPermissionsRequest(user_id=OWNER, server_id=SERVER, channel_ids=[CHANNEL, 999])
    answer = await authz.GetPermissions(request)
    assert [one.channel_id for one in answer.channels] == [CHANNEL]


async def test_only_wanted_rights_are_reported(authz: AuthzServiceStub) -> None:
    wanted = P.SEND_MESSAGES | P.MANAGE_MESSAGES
    of_one = pb.GetPermissionsRequest(user_id=USER, server_id=SERVER, channel_ids=[CHANNEL], wanted=wanted)
    answer = await authz.GetPermissions(of_one)
    assert (answer.permissions, [one.permissions for one in answer.channels]) == (P.SEND_MESSAGES, [P.SEND_MESSAGES])

    of_all = pb.ComputeAudienceRequest(server_id=SERVER, user_ids=[USER], wanted=wanted)
    (group,) = (await authz.ComputeAudience(of_all)).groups
    assert (group.permissions, list(group.channel_ids)) == (P.SEND_MESSAGES, [CHANNEL])

    of_one.wanted = of_all.wanted = 1 << 47
    for ask, request in ((authz.GetPermissions, of_one), (authz.ComputeAudience, of_all)):
        with pytest.raises(InvalidArgument):
            await ask(request)


@pytest.mark.parametrize(
    "request_",
    [
        pb.AuthorizeRequest(user_id=USER, required=1),
        pb.AuthorizeRequest(user_id=USER, server_id=SERVER, required=1 << 47),
        pb.AuthorizeRequest(user_id=USER, server_id=SERVER, optional=-1),
    ],
)
async def test_authorize_refuses_a_question_that_it_does_not_know(
    authz: AuthzServiceStub, request_: pb.AuthorizeRequest
) -> None:
    with pytest.raises(InvalidArgument):
        await authz.Authorize(request_)


@pytest.mark.parametrize(
    "request_",
    [
        pb.ApplyFactsRequest(server_id=SERVER, version=0, changes=_state()),
        pb.ApplyFactsRequest(server_id=SERVER + 1, version=2, changes=_state()),
        pb.ApplyFactsRequest(server_id=SERVER, version=2, changes=[facts.FactChange()]),
        pb.ApplyFactsRequest(
            server_id=SERVER,
            version=2,
            changes=[facts.FactChange(set_suspended=facts.SetSuspended(user_id=USER, suspended=True))],
        ),
        pb.ApplyFactsRequest(
            server_id=SERVER,
            version=2,
            changes=[
                facts.FactChange(
                    set_channel=facts.SetChannel(
                        server_id=SERVER, channel_id=CHANNEL, overwrites=[facts.PermissionOverwrite(target_id=1)]
                    )
                )
            ],
        ),
    ],
)
async def test_apply_facts_refuses_what_is_not_a_change_of_that_server(
    authz: AuthzServiceStub, request_: pb.ApplyFactsRequest
) -> None:
    with pytest.raises(InvalidArgument):
        await authz.ApplyFacts(request_)


async def test_facts_survive_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as first:
        await first.ApplyFacts(pb.ApplyFactsRequest(server_id=SERVER, version=1, changes=_state()))
    async with serving(tmp_path) as second:
        answer = await second.Authorize(pb.AuthorizeRequest(user_id=USER, channel_id=CHANNEL, required=P.SEND_MESSAGES))
        assert answer.outcome == pb.OUTCOME_ALLOWED


@pytest.mark.parametrize("kind", [PrincipalKind.USER, PrincipalKind.BOT])
async def test_only_services_may_ask(tmp_path: Path, kind: PrincipalKind) -> None:
    async with serving(tmp_path, principal=Principal(kind, user_id=USER)) as authz:
        for call, request in (
            (authz.Authorize, pb.AuthorizeRequest(user_id=USER, server_id=SERVER)),
            (authz.GetPermissions, pb.GetPermissionsRequest(user_id=USER, server_id=SERVER)),
            (authz.ComputeAudience, pb.ComputeAudienceRequest(server_id=SERVER, user_ids=[USER])),
            (authz.ApplyFacts, pb.ApplyFactsRequest(server_id=SERVER, version=1, changes=_state())),
        ):
            with pytest.raises(PermissionDenied):
                await call(request)


async def test_warm_decision_suspends_nowhere(authz: AuthzServiceStub) -> None:
    request = pb.AuthorizeRequest(user_id=USER, channel_id=CHANNEL, required=P.SEND_MESSAGES, optional=P.ATTACH_FILES)
    await authz.Authorize(request)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count_turns())
    await authz.Authorize(request)
    assert turns == 0
    counting.cancel()
