"""Refusals are kept, explained as of their own instant, and told to whom they may be told."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pytest

from beep.authz.v1 import authz_service_pb2 as authz_pb
from beep.authz.v1 import explain_service_pb2 as pb
from beep.authz.v1 import facts_pb2 as facts
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.authz.v1.explain_service_pb2_grpc import ExplainServiceStub
from services.authz import __main__ as starting
from services.authz import explain as explaining
from services.authz.__main__ import build
from services.authz.domain.explanation import Explanation, Kind, Result, Step
from services.authz.domain.rights import Right
from services.authz.domain.situation import Situation
from services.authz.explain import Explainer
from services.authz.mandate import Mandate
from services.authz.pinning import Pinning
from services.authz.refusals import EXPLAINED_AT_ONCE, EXPLAINED_PER_SECOND, WAITING_AT_MOST, Refusals
from services.authz.store.decision_log import AGE_KEPT_MS, DecisionLog
from services.common.auth import Principal, PrincipalKind
from services.common.clock import Clock, SystemClock
from services.common.errors import Internal, InvalidArgument, NotFound, PermissionDenied, Unavailable
from services.common.permissions import Permission as P
from tests.support.clock import ManualClock
from tests.support.in_process import InProcess, in_process, service, user

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub
    from beep.authz.v1.explain_service_pb2_grpc import ExplainServiceAsyncStub

SERVER, CHANNEL, DIRECT, OWNER, MANAGER, MEMBER, OTHER, STRANGER = 10, 12, 13, 20, 21, 22, 23, 24
MANAGERS, MUTED_ONES = 30, 31
MODERATOR = Principal(PrincipalKind.USER, user_id=99, global_roles=("ServerModerator",))


def channel(**denied: int) -> facts.FactChange:
    overwrites = [
        facts.PermissionOverwrite(target_id=target, target=facts.OVERWRITE_TARGET_ROLE, deny=denied.get(name, 0))
        for name, target in (("muted_ones", MUTED_ONES), ("everyone", SERVER))
    ]
    return facts.FactChange(set_channel=facts.SetChannel(server_id=SERVER, channel_id=CHANNEL, overwrites=overwrites))


STATE = [
    facts.FactChange(set_server=facts.SetServer(server_id=SERVER, owner_id=OWNER)),
    facts.FactChange(
        set_roles=facts.SetRoles(
            server_id=SERVER,
            roles=[
                facts.RolePermissions(role_id=SERVER, permissions=P.VIEW_CHANNEL | P.SEND_MESSAGES),
                facts.RolePermissions(role_id=MANAGERS, permissions=P.MANAGE_GUILD),
                facts.RolePermissions(role_id=MUTED_ONES),
            ],
        )
    ),
    channel(muted_ones=P.SEND_MESSAGES),
    *(
        facts.FactChange(set_seat=facts.SetSeat(server_id=SERVER, user_id=member, role_ids=roles))
        for member, roles in ((OWNER, []), (MANAGER, [MANAGERS]), (MEMBER, [MUTED_ONES]), (OTHER, []))
    ),
]
SEND = authz_pb.AuthorizeRequest(user_id=MEMBER, channel_id=CHANNEL, required=P.SEND_MESSAGES)


@dataclass
class Serving:
    beep: InProcess
    authz: "AuthzServiceAsyncStub"
    version: int = 100

    def explain(self, caller: Principal) -> "ExplainServiceAsyncStub":
        return ExplainServiceStub(self.beep.channel("authz", caller))

    async def look_up(self, caller: Principal, decision_id: str) -> pb.GetDecisionResponse:
        return await self.explain(caller).GetDecision(pb.GetDecisionRequest(decision_id=decision_id), timeout=60)

    async def apply(self, *changes: facts.FactChange) -> None:
        self.version += 1
        await self.authz.ApplyFacts(authz_pb.ApplyFactsRequest(server_id=SERVER, version=self.version, changes=changes))

    async def refuse(self, request: authz_pb.AuthorizeRequest = SEND) -> str:
        answer = await self.authz.Authorize(request)
        assert answer.outcome == authz_pb.OUTCOME_DENIED
        return answer.decision_id


@asynccontextmanager
async def serving(directory: Path, clock: Clock | None = None) -> AsyncIterator[Serving]:
    async with in_process(directory, clock or SystemClock(), "authz") as beep, build(beep.runtime("authz")):
        yield Serving(beep, AuthzServiceStub(beep.channel("authz", service("messages"))))


@pytest.fixture
async def authz(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path) as running:
        await running.apply(*STATE)
        yield running


async def test_refusal_is_found_right_after_with_the_fact_that_decided(authz: Serving) -> None:
    found = await authz.look_up(user(MANAGER), await authz.refuse())
    decision = found.decision
    assert found.full
    assert (decision.user_id, decision.server_id, decision.channel_id) == (MEMBER, SERVER, CHANNEL)
    assert (decision.reason, decision.missing) == ("MISSING_PERMISSIONS", P.SEND_MESSAGES)
    [explanation] = decision.explanations
    deciding = explanation.steps[-1]
    assert (deciding.kind, list(deciding.role_ids)) == (pb.STEP_KIND_ROLES_DENY, [MUTED_ONES])
    assert [(change.kind, change.role_id) for change in explanation.changes] == [
        (pb.CHANGE_KIND_REMOVE_ROLE_DENY, MUTED_ONES)
    ]


async def test_refusal_is_explained_as_of_its_instant_when_facts_change_right_after(
    authz: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = asyncio.Event()
    explain = Explainer.explain

    async def late(self: Explainer, pinned: Any, rights: Any) -> Any:
        await changed.wait()
        return await explain(self, pinned, rights)

    monkeypatch.setattr(Explainer, "explain", late)
    decision_id = await authz.refuse()
    # Now they may, and another fact forbids something else.
    await authz.apply(channel(everyone=P.ADD_REACTIONS))
    await authz.apply(facts.FactChange(remove_seat=facts.RemoveSeat(server_id=SERVER, user_id=MEMBER)))
    changed.set()
    [explanation] = (await authz.look_up(user(OWNER), decision_id)).decision.explanations
    assert explanation.steps[-1].kind == pb.STEP_KIND_ROLES_DENY


async def test_refusals_survive_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as first:
        await first.apply(*STATE)
        decision_ids = [await first.refuse() for _ in range(50)]
    async with serving(tmp_path) as second:
        for decision_id in decision_ids:
            assert (await second.look_up(user(MEMBER), decision_id)).decision.id == decision_id


async def test_plain_facts_are_kept_when_too_many_are_refused_at_once(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serving(tmp_path, clock) as authz:
        await authz.apply(*STATE)
        decision_ids = [await authz.refuse() for _ in range(EXPLAINED_AT_ONCE * 2)]
        found = [(await authz.look_up(user(OWNER), decision_id)).decision for decision_id in decision_ids]
        assert all(decision.user_id == MEMBER and decision.missing == P.SEND_MESSAGES for decision in found)
        assert [bool(decision.explanations) for decision in found] == [True] * EXPLAINED_AT_ONCE + [
            False
        ] * EXPLAINED_AT_ONCE
        clock.advance(2 / EXPLAINED_PER_SECOND)
        later = [(await authz.look_up(user(OWNER), await authz.refuse())).decision for _ in range(3)]
        assert [bool(decision.explanations) for decision in later] == [True, True, False]


async def test_refusal_is_one_also_when_too_many_wait_to_be_kept(
    authz: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = asyncio.Event()
    explain = Explainer.explain

    async def held(self: Explainer, pinned: Any, rights: Any) -> Any:
        await go.wait()
        return await explain(self, pinned, rights)

    monkeypatch.setattr(Explainer, "explain", held)
    many = [await authz.refuse() for _ in range(WAITING_AT_MOST + 100)]
    go.set()
    assert (await authz.look_up(user(OWNER), many[WAITING_AT_MOST - 1])).decision.user_id == MEMBER
    with pytest.raises(NotFound):
        await authz.look_up(user(OWNER), many[-1])
    assert (await authz.look_up(user(OWNER), await authz.refuse())).decision.user_id == MEMBER


async def test_explanation_that_disagrees_is_withheld(authz: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(situation: Situation, right: Right) -> Explanation:
        return Explanation(right, (Step(Kind.OWNER, Result.ALLOWS, right),))

    monkeypatch.setattr(explaining, "explain", lie)
    request = pb.ExplainRequest(user_id=MEMBER, channel_id=CHANNEL, permission=P.SEND_MESSAGES)
    with pytest.raises(Internal) as error:
        await authz.explain(user(MEMBER)).Explain(request)
    assert error.value.reason == "EXPLANATION_DISAGREES"
    decision = (await authz.look_up(user(MEMBER), await authz.refuse())).decision
    assert (decision.missing, list(decision.explanations)) == (P.SEND_MESSAGES, [])


async def test_defect_in_one_explanation_spoils_no_other(
    authz: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_off(*_: object) -> None:
        raise KeyError("a defect")

    with monkeypatch.context() as broken:
        broken.setattr(explaining, "explain", break_off)
        decision_id = await authz.refuse()
        assert not (await authz.look_up(user(MEMBER), decision_id)).decision.explanations
    assert "refusal_unexplained" in caplog.messages
    assert (await authz.look_up(user(MEMBER), await authz.refuse())).decision.explanations


async def test_refusals_after_one_that_the_log_failed_on_are_kept(
    authz: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise sqlite3.OperationalError("no such table: decisions")

    async with asyncio.timeout(10):
        with monkeypatch.context() as broken:
            broken.setattr(DecisionLog, "add", fail)
            await authz.look_up(user(MEMBER), await authz.refuse())
        assert "refusals_not_stored" in caplog.messages
        assert (await authz.look_up(user(MEMBER), await authz.refuse())).decision.explanations


async def test_one_of_several_rights_is_refused_with_each_explained(authz: Serving) -> None:
    either = P.MANAGE_GUILD | P.CREATE_INSTANT_INVITE
    request = authz_pb.AuthorizeRequest(user_id=MEMBER, server_id=SERVER, any_of=either, optional=P.VIEW_CHANNEL)
    answer = await authz.authz.Authorize(request)
    assert (answer.outcome, answer.missing, answer.granted) == (authz_pb.OUTCOME_DENIED, either, P.VIEW_CHANNEL)
    decision = (await authz.look_up(user(MEMBER), answer.decision_id)).decision
    assert {P(one.permission) for one in decision.explanations} == {P.MANAGE_GUILD, P.CREATE_INSTANT_INVITE}
    request.user_id = MANAGER
    answer = await authz.authz.Authorize(request)
    assert (answer.outcome, answer.granted) == (authz_pb.OUTCOME_ALLOWED, P.MANAGE_GUILD | P.VIEW_CHANNEL)


async def test_who_looks_up_decides_what_is_told(authz: Serving) -> None:
    decision_id = await authz.refuse()
    for full in (user(OWNER), user(MANAGER), MODERATOR):
        assert (await authz.look_up(full, decision_id)).full
    assert not (await authz.look_up(user(MEMBER), decision_id)).full
    for nobody in (user(OTHER), user(STRANGER)):
        with pytest.raises(NotFound):
            await authz.look_up(nobody, decision_id)
    with pytest.raises(PermissionDenied):
        await authz.look_up(service("rest"), decision_id)


async def test_limited_view_names_no_role_that_is_not_held(authz: Serving) -> None:
    ask = pb.ExplainRequest(user_id=OTHER, server_id=SERVER, permission=P.MANAGE_GUILD)
    [whole] = (await authz.explain(MODERATOR).Explain(ask)).explanation.changes
    [cut] = (await authz.explain(user(OTHER)).Explain(ask)).explanation.changes
    assert (whole.kind, whole.role_id) == (pb.CHANGE_KIND_GIVE_ROLE, MANAGERS)
    assert (cut.kind, cut.role_id) == (pb.CHANGE_KIND_GIVE_ROLE, 0)
    await authz.apply(channel(everyone=P.VIEW_CHANNEL))
    hidden = pb.ExplainRequest(user_id=OTHER, channel_id=CHANNEL, permission=P.SEND_MESSAGES)
    assert (await authz.explain(MODERATOR).Explain(hidden)).explanation.changes
    assert not (await authz.explain(user(OTHER)).Explain(hidden)).explanation.changes


async def test_limited_view_of_a_private_channel_that_is_closed_tells_of_no_block(authz: Serving) -> None:
    private = facts.SetPrivateChannel(channel_id=DIRECT, participant_ids=[MEMBER, OTHER], silenced=True)
    await authz.authz.ApplyFacts(
        authz_pb.ApplyFactsRequest(version=1, changes=[facts.FactChange(set_private_channel=private)])
    )
    send = authz_pb.AuthorizeRequest(user_id=MEMBER, channel_id=DIRECT, required=P.SEND_MESSAGES)
    decision_id = await authz.refuse(send)
    ask = pb.ExplainRequest(user_id=MEMBER, channel_id=DIRECT, permission=P.SEND_MESSAGES)
    asked = (await authz.explain(user(MEMBER)).Explain(ask)).explanation
    [looked_up] = (await authz.look_up(user(MEMBER), decision_id)).decision.explanations
    for explanation in (asked, looked_up):
        assert explanation.steps[-1].kind == pb.STEP_KIND_SILENCED
        assert not explanation.changes
    [change] = (await authz.explain(MODERATOR).Explain(ask)).explanation.changes
    assert change.kind == pb.CHANGE_KIND_UNBLOCK


async def test_rule_of_another_service_is_kept_with_its_words(authz: Serving) -> None:
    explain = authz.explain(service("rest"))
    request = pb.RecordRefusalRequest(
        user_id=MEMBER, channel_id=CHANNEL, reason="NOT_AUTHOR", message="Not yours.", missing=P.MANAGE_MESSAGES
    )
    decision_id = (await explain.RecordRefusal(request)).decision_id
    decision = (await authz.look_up(user(MANAGER), decision_id)).decision
    assert (decision.reason, decision.message, decision.server_id) == ("NOT_AUTHOR", "Not yours.", SERVER)
    assert [P(one.permission) for one in decision.explanations] == [P.MANAGE_MESSAGES]
    with pytest.raises(PermissionDenied):
        await authz.explain(user(MEMBER)).RecordRefusal(request)


@pytest.mark.parametrize("ended", ["before", "meanwhile"])
@pytest.mark.parametrize(
    "about",
    [
        pb.RecordRefusalRequest(user_id=MEMBER, channel_id=CHANNEL, reason="NOT_AUTHOR"),
        pb.RecordRefusalRequest(user_id=MEMBER, server_id=SERVER, reason="NOT_AUTHOR"),
    ],
    ids=["channel", "server"],
)
async def test_nothing_is_recorded_by_who_may_not_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: str, about: pb.RecordRefusalRequest
) -> None:
    mandates: list[Mandate] = []

    def mandate(now: Callable[[], float]) -> Mandate:
        mandates.append(Mandate(now))
        return mandates[0]

    members = Pinning.members

    def late(self: Pinning, *asked: Any) -> Any:
        mandates[0].end()
        return members(self, *asked)

    monkeypatch.setattr(starting, "Mandate", mandate)
    async with serving(tmp_path) as authz:
        await authz.apply(*STATE)
        if ended == "before":
            mandates[0].end()
        else:
            monkeypatch.setattr(Pinning, "members", late)
        with pytest.raises(Unavailable) as refused:
            await authz.explain(service("rest")).RecordRefusal(about)
    assert refused.value.reason == "NO_AUTHZ_LEASE"


async def test_record_of_who_is_no_member_does_not_tell_where_the_channel_is(authz: Serving) -> None:
    explain = authz.explain(service("rest"))
    records = []
    for channel_id in (CHANNEL, 999):
        request = pb.RecordRefusalRequest(
            user_id=STRANGER, channel_id=channel_id, reason="PERSON_REQUIRED", missing=P.SEND_MESSAGES
        )
        decision_id = (await explain.RecordRefusal(request)).decision_id
        record = (await authz.look_up(user(STRANGER), decision_id)).decision
        record.ClearField("id")
        record.ClearField("at_ms")
        record.ClearField("channel_id")
        records.append(record)
    there, nowhere = records
    assert there == nowhere


@pytest.mark.parametrize("permission", [0, P.SEND_MESSAGES | P.VIEW_CHANNEL, 1 << 55, -1])
async def test_only_one_known_permission_is_explained(authz: Serving, permission: int) -> None:
    request = pb.ExplainRequest(user_id=MEMBER, server_id=SERVER, permission=permission)
    with pytest.raises(InvalidArgument):
        await authz.explain(user(MEMBER)).Explain(request)


async def test_denied_manager_is_a_line_in_the_log_and_a_denied_writer_is_not(
    authz: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "beep.authz.denied")
    await authz.refuse()
    assert caplog.records == []
    decision_id = await authz.refuse(
        authz_pb.AuthorizeRequest(user_id=MEMBER, server_id=SERVER, required=P.BAN_MEMBERS)
    )
    [line] = caplog.records
    assert line.getMessage() == "manager_action_denied"
    said = vars(line)
    assert (said["decision"], said["user"], said["server"], said["missing"]) == (
        decision_id,
        MEMBER,
        SERVER,
        "ban_members",
    )
    assert not hasattr(line, "channel")


async def test_line_of_a_denial_by_rank_says_the_rule_and_nothing_empty(
    authz: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "beep.authz.denied")
    rule = "This is not below your highest role."
    by_rank = pb.RecordRefusalRequest(user_id=MEMBER, server_id=SERVER, reason="MISSING_PERMISSIONS", message=rule)
    await authz.explain(service("rest")).RecordRefusal(by_rank)
    [line] = caplog.records
    said = vars(line)
    assert (said["user"], said["server"], said["reason"], said["rule"]) == (MEMBER, SERVER, "MISSING_PERMISSIONS", rule)
    assert not said.keys() & {"missing", "channel"}


async def test_process_finds_what_another_on_the_same_data_has_refused(tmp_path: Path) -> None:
    class NoExplanations:
        async def explain(self, pinned: object, rights: object) -> list[Any]:
            return []

    clock = SystemClock()
    logs = [await DecisionLog.open(tmp_path / "decisions.db") for _ in range(2)]
    one, other = (Refusals(NoExplanations(), log, clock, token_hex) for log in logs)  # type: ignore[arg-type]  # unused
    one.start()
    other.start()
    decision_id = one.note(pb.Decision(user_id=MEMBER), None)
    assert (await asyncio.gather(other.find(decision_id), one.find(decision_id)))[0] is not None
    assert await other.find("f" * 20) is None
    assert await other.find("no id") is None
    for refusals, log in zip((one, other), logs, strict=True):
        await refusals.close()
        await log.close()


async def test_log_is_bounded_by_number_and_by_age(tmp_path: Path) -> None:
    log = await DecisionLog.open(tmp_path / "decisions.db", rows_kept=10)
    now = AGE_KEPT_MS * 2
    await log.add([pb.Decision(id="old", at_ms=1)], now_ms=2)
    assert await log.find("old")
    for number in range(25):
        await log.add([pb.Decision(id=f"{number}", at_ms=now)], now_ms=now)
    kept = [number for number in range(25) if await log.find(f"{number}")]
    assert kept == list(range(15, 25))
    assert await log.find("old") is None
    await log.add([pb.Decision(id="older", at_ms=1)], now_ms=2)
    await log.add([], now_ms=now)
    assert await log.find("older") is None
    await log.close()
