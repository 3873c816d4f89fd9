"""What somebody is told, by what authz has decided."""

from types import SimpleNamespace
from typing import Any

import pytest

from beep.authz.v1.authz_service_pb2 import (
    OUTCOME_ALLOWED,
    OUTCOME_DENIED,
    AuthorizeRequest,
    AuthorizeResponse,
    Outcome,
)
from services.common.authorization import Access
from services.common.errors import BeepError, NotFound, PermissionDenied
from services.common.permissions import Permission as P

DENIED = {"outcome": OUTCOME_DENIED, "decision_id": "d1"}


def access(**answer: Any) -> Access:
    async def authorize(_: AuthorizeRequest) -> AuthorizeResponse:
        return AuthorizeResponse(**answer)

    return Access(SimpleNamespace(Authorize=authorize))  # type: ignore[arg-type]  # of the stub only this is called


async def refused(answering: Access, **rights: int) -> BeepError:
    with pytest.raises((NotFound, PermissionDenied)) as error:
        await answering.in_channel(1, 2, **rights)
    return error.value


@pytest.mark.parametrize(
    "outcome", [each for each in Outcome.values() if each not in (OUTCOME_ALLOWED, OUTCOME_DENIED)]
)
async def test_whatever_is_neither_allowed_nor_denied_is_hidden(outcome: Outcome) -> None:
    assert (await refused(access(outcome=outcome))).reason == "UNKNOWN_CHANNEL"
    with pytest.raises(NotFound) as error:
        await access(outcome=outcome).in_server(1, 2)
    assert error.value.reason == "UNKNOWN_SERVER"


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (P.VIEW_CHANNEL | P.SEND_MESSAGES, "MISSING_ACCESS"),
        (P.SEND_MESSAGES, "MISSING_PERMISSIONS"),
    ],
)
async def test_member_is_told_what_is_missing_and_by_which_decision(missing: P, reason: str) -> None:
    error = await refused(access(missing=missing, server_id=3, **DENIED), required=missing)
    assert (error.reason, error.metadata) == (reason, {"missing": str(int(missing)), "decision_id": "d1"})


async def test_silenced_participant_is_told_nothing_but_that_it_is_silent() -> None:
    silenced = access(missing=P.SEND_MESSAGES, participant_ids=[1, 2], **DENIED)
    error = await refused(silenced, required=P.SEND_MESSAGES)
    assert (error.reason, error.metadata) == ("CANNOT_MESSAGE_USER", {"decision_id": "d1"})
    managing = access(missing=P.MANAGE_MESSAGES, participant_ids=[1, 2], **DENIED)
    assert (await refused(managing, required=P.MANAGE_MESSAGES)).reason == "MISSING_PERMISSIONS"


async def test_one_of_several_rights_is_enough_and_none_is_not() -> None:
    both = P.MANAGE_GUILD | P.CREATE_INSTANT_INVITE
    one = access(outcome=OUTCOME_ALLOWED, granted=P.MANAGE_GUILD)
    assert (await one.in_server(1, 2, any_of=both)).granted == P.MANAGE_GUILD
    error = await refused(access(outcome=OUTCOME_ALLOWED), any_of=both)
    assert (error.reason, error.metadata["missing"]) == ("MISSING_PERMISSIONS", str(int(both)))
