"""The table, and the two shapes."""

import re

import pytest

from services.common.errors import BY_STATUS, FieldViolation, NotFound, ResourceExhausted, Status
from services.rest import errors


def test_every_status_has_an_answer() -> None:
    for status, kind in BY_STATUS.items():
        answer = errors.answer(kind("SOMETHING_NEW"))
        assert 400 <= answer.status <= 503, status
        assert set(answer.body) >= {"message", "code"} or answer.status == 429


def test_inside_is_told_by_no_status_of_ours() -> None:
    for status in (Status.INTERNAL, Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.NOT_FOUND):
        answer = errors.answer(BY_STATUS[status]("SOMETHING_NEW", "a secret"))
        assert "secret" not in str(answer.body)


def test_reasons_are_upper_snake_and_codes_discords() -> None:
    for reason, row in errors.TABLE.items():
        assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", reason)
        assert row.code == 0 or 10_000 <= row.code < 1_000_000


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        ("UNKNOWN_CHANNEL", 404, 10003),
        ("UNKNOWN_SERVER", 404, 10004),
        ("UNKNOWN_INVITE", 404, 10006),
        ("UNKNOWN_MEMBER", 404, 10007),
        ("UNKNOWN_MESSAGE", 404, 10008),
        ("UNKNOWN_ROLE", 404, 10011),
        ("UNKNOWN_USER", 404, 10013),
        ("MISSING_ACCESS", 403, 50001),
        ("EMPTY_MESSAGE", 400, 50006),
        ("MISSING_PERMISSIONS", 403, 50013),
        ("INVALID_FORM", 400, 50035),
        ("INVALID_JSON", 400, 50109),
    ],
)
def test_code_that_clients_look_at_is_discords(reason: str, status: int, code: int) -> None:
    assert (errors.TABLE[reason].status, errors.TABLE[reason].code) == (status, code)


@pytest.mark.parametrize(
    "reason",
    [
        "PERMIFY_UNAVAILABLE",
        "NO_AUTHZ_LEASE",
        "NOT_LEADING",
        "AUTHZ_UNAVAILABLE",
        "AUTHZ_DEADLINE_EXCEEDED",
        "AUTHZ_REFUSES_KEY",
    ],
)
def test_client_is_told_that_permissions_cannot_be_checked_when_nobody_decides(reason: str) -> None:
    answer = errors.answer(BY_STATUS[Status.UNAVAILABLE](reason, "a secret"))
    assert (answer.status, answer.headers) == (503, {"Retry-After": "1"})
    assert answer.body == {"message": "Permissions cannot be checked at the moment. Try again soon.", "code": 0}


def test_violations_nest_by_field() -> None:
    nested = errors.nest(
        [
            FieldViolation("embeds.0.title", "A", "Too long."),
            FieldViolation("embeds.0.title", "B", "Ugly."),
            FieldViolation("embeds.1.color", "C", "No number."),
            FieldViolation("", "D", "No object."),
        ]
    )
    assert nested == {
        "_errors": [{"code": "D", "message": "No object."}],
        "embeds": {
            "0": {"title": {"_errors": [{"code": "A", "message": "Too long."}, {"code": "B", "message": "Ugly."}]}},
            "1": {"color": {"_errors": [{"code": "C", "message": "No number."}]}},
        },
    }


def test_rate_limited_has_what_the_libraries_insist_on() -> None:
    answer = errors.rate_limited(1.2345, scope="global")
    assert answer.status == 429
    assert answer.body == {"message": "You are being rate limited.", "retry_after": 1.234, "global": True}
    assert answer.headers == {
        "Retry-After": "2",
        "Via": "1.1 beep",
        "X-RateLimit-Scope": "global",
        "X-RateLimit-Global": "true",
    }


@pytest.mark.parametrize(("told", "seconds"), [("2.5", 2.5), ("soon", 1.0), ("", 1.0)])
def test_limit_of_a_service_is_passed_on(told: str, seconds: float) -> None:
    answer = errors.answer(ResourceExhausted("RATE_LIMITED", metadata={"retry_after": told} if told else {}))
    assert (answer.status, answer.body["retry_after"]) == (429, seconds)
    assert answer.headers["X-RateLimit-Scope"] == "shared"


def test_decision_id_is_told_to_whoever_was_refused() -> None:
    answer = errors.answer(NotFound("UNKNOWN_CHANNEL", metadata={"decision_id": "d"}))
    assert answer.body["decision_id"] == "d"
