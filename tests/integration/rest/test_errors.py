"""What bad requests get: the shapes and codes of https://docs.discord.com/developers/reference#error-messages"""

from typing import Any

import pytest

from services.common import errors, limits
from services.common.errors import BeepError, FieldViolation
from tests.integration.rest.running_edge import RunningEdge

MESSAGES = "/api/v10/channels/175928847299117063/messages"


def field_error(path: str, code: str, message: str) -> dict[str, Any]:
    nested: dict[str, Any] = {"_errors": [{"code": code, "message": message}]}
    for step in reversed(path.split(".")):
        nested = {step: nested}
    return {"message": "Invalid Form Body", "code": 50035, "errors": nested}


MALFORMED = {"message": "The request body contains invalid JSON.", "code": 50109}
NOT_A_NUMBER = ("NUMBER_TYPE_COERCE", "Value is not a number in range.")


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        (b"", 400, MALFORMED),
        (b"{", 400, MALFORMED),
        (b'{"content": "hi"} x', 400, MALFORMED),
        (b'{"content": "\xff"}', 400, MALFORMED),
        (b'{"content": "\\ud800 lone"}', 400, MALFORMED),
        (b'{"x": ' + b"[" * 33 + b"]" * 33 + b"}", 400, MALFORMED),
        (b"[" * 100_000, 400, MALFORMED),
        (
            b"[]",
            400,
            {
                "message": "Invalid Form Body",
                "code": 50035,
                "errors": {
                    "_errors": [
                        {"code": "DICT_TYPE_CONVERT", "message": "Only dictionaries may be used in a DictType."}
                    ]
                },
            },
        ),
        (
            b'{"content": 5}',
            400,
            field_error("content", "STRING_TYPE_CONVERT", "Could not interpret the value as string."),
        ),
        (b'{"content": "a\\u0000b"}', 400, field_error("content", "STRING_TYPE_CONVERT", "NUL is not allowed.")),
        (
            b'{"content": "' + b"a" * 2001 + b'"}',
            400,
            field_error("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length."),
        ),
        (b'{"tts": "perhaps"}', 400, field_error("tts", "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")),
        (b'{"embeds": [{}, {"color": "red"}]}', 400, field_error("embeds.1.color", *NOT_A_NUMBER)),
        (
            b'{"embeds": [{"fields": [{"name": "a"}]}]}',
            400,
            field_error("embeds.0.fields.0.value", "BASE_TYPE_REQUIRED", "This field is required."),
        ),
        (
            b'{"allowed_mentions": {"parse": ["all"]}}',
            400,
            field_error("allowed_mentions.parse.0", "BASE_TYPE_CHOICES", "Value is not one of the choices."),
        ),
        (
            b'{"message_reference": {"message_id": "x"}}',
            400,
            field_error("message_reference.message_id", *NOT_A_NUMBER),
        ),
        (
            b'{"message_reference": {"message_id": "9223372036854775808"}}',
            400,
            field_error(
                "message_reference.message_id",
                "NUMBER_TYPE_MAX",
                "int value should be less than or equal to 9223372036854775807.",
            ),
        ),
        (
            b'{"nonce": "' + b"n" * 26 + b'"}',
            400,
            field_error("nonce", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length."),
        ),
        (
            b'{"content": "' + b"a" * limits.REQUEST_BODY_BYTES + b'"}',
            413,
            {"message": "Request entity too large", "code": 40005},
        ),
    ],
)
async def test_body_is_refused_with_its_field_named(
    edge: RunningEdge, body: bytes, status: int, answer: dict[str, Any]
) -> None:
    response = await edge.person.post(MESSAGES, content=body)

    assert (response.status_code, response.json()) == (status, answer)
    assert response.headers["content-type"] == "application/json"
    assert not edge.upstream.calls["CreateMessage"]


@pytest.mark.parametrize(
    ("method", "path", "status", "answer"),
    [
        ("GET", "/nothing/here", 404, {"message": "404: Not Found", "code": 0}),
        ("GET", "/api/v10/nothing", 404, {"message": "404: Not Found", "code": 0}),
        ("GET", "/api/v11/users/@me", 404, {"message": "404: Not Found", "code": 0}),
        ("PUT", "/api/v10/users/@me", 405, {"message": "405: Method Not Allowed", "code": 0}),
        ("GET", "/api/v10/channels/abc", 400, field_error("channel_id", *NOT_A_NUMBER)),
        ("GET", "/api/v10/channels/null", 400, field_error("channel_id", *NOT_A_NUMBER)),
        (
            "GET",
            "/api/v10/channels/-1",
            400,
            field_error("channel_id", "NUMBER_TYPE_MIN", "int value should be greater than or equal to 0."),
        ),
        (
            "GET",
            f"{MESSAGES}?limit=101",
            400,
            field_error("limit", "NUMBER_TYPE_MAX", "int value should be less than or equal to 100."),
        ),
        ("GET", f"{MESSAGES}?before=yesterday", 400, field_error("before", *NOT_A_NUMBER)),
        (
            "GET",
            "/api/v10/guilds/1/members/search",
            400,
            field_error("query", "BASE_TYPE_REQUIRED", "This field is required."),
        ),
        (
            "GET",
            "/api/v10/guilds/1/members/search?query=a%00b",
            400,
            field_error("query", "STRING_TYPE_REGEX", "String value did not match validation regex."),
        ),
        (
            "GET",
            "/api/v10/invites/a%00b",
            400,
            field_error("code", "STRING_TYPE_REGEX", "String value did not match validation regex."),
        ),
    ],
)
async def test_url_is_refused_in_discords_form(
    edge: RunningEdge, method: str, path: str, status: int, answer: dict[str, Any]
) -> None:
    response = await edge.person.request(method, path)

    assert (response.status_code, response.json()) == (status, answer)
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("error", "status", "answer"),
    [
        (errors.NotFound("UNKNOWN_CHANNEL"), 404, {"message": "Unknown Channel", "code": 10003}),
        (errors.NotFound("SOMETHING_INSIDE", "Row 7 of a table"), 404, {"message": "404: Not Found", "code": 0}),
        (
            errors.PermissionDenied("MISSING_PERMISSIONS", metadata={"decision_id": "d-1", "missing": "2048"}),
            403,
            {"message": "Missing Permissions", "code": 50013, "decision_id": "d-1", "missing_permissions": "2048"},
        ),
        (
            errors.PermissionDenied("MISSING_ACCESS", metadata={"decision_id": "d-2"}),
            403,
            {"message": "Missing Access", "code": 50001, "decision_id": "d-2"},
        ),
        (errors.InvalidArgument("EMPTY_MESSAGE"), 400, {"message": "Cannot send an empty message", "code": 50006}),
        (
            errors.InvalidArgument("INVALID_FORM", violations=[FieldViolation("content", "X", "Wrong.")]),
            400,
            field_error("content", "X", "Wrong."),
        ),
        (errors.Unauthenticated("REVOKED"), 401, {"message": "401: Unauthorized", "code": 0}),
        (errors.Unavailable("STORE_CLOSED"), 503, {"message": "503: Service Unavailable", "code": 0}),
        (errors.DeadlineExceeded("DEADLINE_EXCEEDED"), 503, {"message": "503: Service Unavailable", "code": 0}),
        (errors.Internal("INTERNAL", "secret"), 500, {"message": "500: Internal Server Error", "code": 0}),
    ],
)
async def test_failure_behind_the_edge_is_told_in_discords_form(
    edge: RunningEdge, error: BeepError, status: int, answer: dict[str, Any]
) -> None:
    edge.upstream.answer("CreateMessage", error)

    response = await edge.person.post(MESSAGES, json={"content": "hi"})

    assert (response.status_code, response.json()) == (status, answer)
    assert ("retry-after" in response.headers) == (status == 503)


async def test_unforeseen_failure_says_nothing_of_the_inside(
    edge: RunningEdge, caplog: pytest.LogCaptureFixture
) -> None:
    # An answer that cannot be rendered: a defect of ours, behind the boundary that the RPC layer guards.
    edge.upstream.answer("GetUsers", None)

    response = await edge.person.get("/api/v10/users/1")

    assert (response.status_code, response.json()) == (500, {"message": "500: Internal Server Error", "code": 0})
    assert "rest_request_failed" in caplog.text


@pytest.mark.parametrize("method", ["get", "post"])
async def test_nobody_gets_401(edge: RunningEdge, method: str) -> None:
    response = await edge.anonymous.request(method, MESSAGES)

    assert (response.status_code, response.json()) == (401, {"message": "401: Unauthorized", "code": 0})
