"""How a failure looks outside: the one table from Beep's reasons to Discord's codes.

https://docs.discord.com/developers/topics/opcodes-and-status-codes#json, and the form of the body:
https://docs.discord.com/developers/reference#error-messages
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from services.common.errors import BeepError, FieldViolation, InvalidArgument, Status

INVALID_FORM: Final = "INVALID_FORM"


class InvalidForm(InvalidArgument):
    """The request parses, but some of its fields are wrong."""

    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__(INVALID_FORM, "Invalid Form Body", violations=violations)


class MalformedBody(InvalidArgument):
    """The request does not parse at all."""

    def __init__(self) -> None:
        super().__init__("INVALID_JSON", "The request body contains invalid JSON.")


class RequestTooLarge(InvalidArgument):
    """The request, or a file in it, is larger than Beep takes."""

    def __init__(self) -> None:
        super().__init__("REQUEST_TOO_LARGE", "Request entity too large")


@dataclass(frozen=True, slots=True)
class Row:
    """`message` None: the error's own is good enough for outside."""

    status: int
    code: int
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


_UNCHECKED: Final = Row(503, 0, "Permissions cannot be checked at the moment. Try again soon.")

TABLE: Final[Mapping[str, Row]] = {
    "INVALID_JSON": Row(400, 50109, "The request body contains invalid JSON."),
    INVALID_FORM: Row(400, 50035, "Invalid Form Body"),
    "REQUEST_TOO_LARGE": Row(413, 40005, "Request entity too large"),
    "BLOBS_FULL": Row(503, 0, "There is no room left for files; messages without them go on"),
    # Nothing is allowed that cannot be checked: by an engine, an authz with the right to decide, or any authz.
    "PERMIFY_UNAVAILABLE": _UNCHECKED,
    "PERMIFY_KEY_REFUSED": _UNCHECKED,
    "NO_AUTHZ_LEASE": _UNCHECKED,
    "NOT_LEADING": _UNCHECKED,
    "AUTHZ_UNAVAILABLE": _UNCHECKED,
    "AUTHZ_DEADLINE_EXCEEDED": _UNCHECKED,
    "AUTHZ_REFUSES_KEY": _UNCHECKED,
    "CHANGE_WAITS": Row(503, 0),
    "CHANGES_REFUSED": Row(503, 0),
    "UNAUTHENTICATED": Row(401, 0, "401: Unauthorized"),
    "INVALID_WEBHOOK_TOKEN": Row(401, 50027, "Invalid Webhook Token"),
    # Not there, or not for the caller to know.
    "UNKNOWN_BOT": Row(404, 10002, "Unknown Application"),
    "BOT_NOT_FOUND": Row(404, 10002, "Unknown Application"),
    "UNKNOWN_CHANNEL": Row(404, 10003, "Unknown Channel"),
    "UNKNOWN_SERVER": Row(404, 10004, "Unknown Guild"),
    "UNKNOWN_INVITE": Row(404, 10006, "Unknown Invite"),
    "UNKNOWN_INVITATION": Row(404, 10006, "Unknown Invite"),
    "UNKNOWN_BAN": Row(404, 10026, "Unknown Ban"),
    "UNKNOWN_MEMBER": Row(404, 10007, "Unknown Member"),
    "UNKNOWN_MESSAGE": Row(404, 10008, "Unknown Message"),
    "UNKNOWN_OVERWRITE": Row(404, 10009, "Unknown permission overwrite"),
    "UNKNOWN_ROLE": Row(404, 10011, "Unknown Role"),
    "UNKNOWN_SESSION": Row(404, 10020, "Unknown Session"),
    "UNKNOWN_USER": Row(404, 10013, "Unknown User"),
    "UNKNOWN_EMOJI": Row(404, 10014, "Unknown Emoji"),
    "UNKNOWN_WEBHOOK": Row(404, 10015, "Unknown Webhook"),
    "USER_NOT_FOUND": Row(404, 10013, "Unknown User"),
    "UNKNOWN_USERNAME": Row(404, 80004, "No users with DiscordTag exist"),
    "UNKNOWN_DECISION": Row(404, 0, "Unknown Decision"),
    "UNKNOWN_RELATIONSHIP": Row(404, 0, "There is no such relationship"),
    # Known, but refused.
    "MISSING_ACCESS": Row(403, 50001, "Missing Access"),
    "MISSING_PERMISSIONS": Row(403, 50013, "Missing Permissions"),
    "NOT_AUTHOR": Row(403, 50005, "Cannot edit a message authored by another user"),
    "BOTS_CANNOT_USE": Row(403, 20001, "Bots cannot use this endpoint"),
    "PERSON_REQUIRED": Row(403, 20001, "Bots cannot use this endpoint"),
    "CANNOT_MESSAGE_USER": Row(403, 50007, "Cannot send messages to this user"),
    "SYSTEM_MESSAGE": Row(403, 50021, "Cannot execute action on a system message"),
    "USER_BANNED": Row(403, 40007, "The user is banned from this guild."),
    # The request makes no sense as things are.
    "WRONG_PASSWORD": Row(400, 50018, "Password does not match"),
    "WRONG_CODE": Row(400, 60008, "Invalid two-factor code"),
    "CODE_REQUIRED": Row(400, 60003, "Two factor is required for this operation"),
    "TOTP_IS_ON": Row(400, 60001, "This account is already enrolled in two-factor authentication"),
    "TOTP_IS_OFF": Row(400, 60002),
    "DEAD_TOKEN": Row(400, 10012),
    "OWNS_SERVERS": Row(400, 40011),
    "ALREADY_MEMBER": Row(400, 0),
    "EMPTY_MESSAGE": Row(400, 50006, "Cannot send an empty message"),
    "THREAD_ARCHIVED": Row(400, 50083, "Tried to perform an operation on an archived thread"),
    "THREAD_EXISTS": Row(400, 160004, "A thread has already been created for this message"),
    "MAX_ACTIVE_THREADS": Row(400, 160006, "Maximum number of active threads reached"),
    "MAX_THREAD_MEMBERS": Row(400, 30033, "Max number of thread participants has been reached"),
    "CANNOT_DO_ON_THIS_CHANNEL_TYPE": Row(400, 50024, "Cannot execute action on this channel type"),
    "BULK_DELETE_TOO_OLD": Row(400, 50034, "A message provided was too old to bulk delete"),
    "OWNER_CANNOT_LEAVE": Row(400, 50055, "Invalid Guild"),
    "TOO_MANY_BOTS": Row(400, 0),
    "TAKES_NO_REQUESTS": Row(400, 80000, "Incoming friend requests disabled."),
    "BLOCKED_BY_CALLER": Row(400, 80001, "Friend request blocked: you have blocked this user"),
    "REQUEST_TO_SELF": Row(400, 80003, "Cannot send friend request to self"),
    "ALREADY_FRIENDS": Row(400, 80007, "You are already friends with that user."),
    "INVALID_RECIPIENTS": Row(400, 50033, "Invalid Recipient(s)"),
    "MAX_FRIENDS": Row(400, 30002, "Maximum number of friends reached"),
    "MAX_RECIPIENTS": Row(400, 30004, "Maximum number of recipients reached"),
    "MAX_FRIEND_REQUESTS": Row(400, 0),
    "MAX_BLOCKS": Row(400, 0),
    "MAX_GROUPS": Row(400, 0),
    "MAX_SERVERS": Row(400, 30001, "Maximum number of guilds reached"),
    "MAX_REACTIONS": Row(400, 30010, "Maximum number of reactions reached"),
    "MAX_PINS": Row(400, 30003, "Maximum number of pins reached for the channel"),
    "MAX_WEBHOOKS": Row(400, 30007, "Maximum number of webhooks reached"),
    "MAX_ROLES": Row(400, 30005, "Maximum number of guild roles reached"),
    "MAX_CHANNELS": Row(400, 30013, "Maximum number of guild channels reached"),
    "MAX_INVITATIONS": Row(400, 30016, "Maximum number of invites reached"),
    "MAX_INVITES": Row(400, 30016, "Maximum number of invites reached"),
    # The limit of a place, not of the caller.
    "SLOW_MODE": Row(429, 20016, "This action cannot be performed due to slowmode rate limit"),
}

# For reasons without a row of their own. What is inside is not told outside, so these say no more than HTTP does.
_BY_STATUS: Final[Mapping[Status, Row]] = {
    Status.INVALID_ARGUMENT: Row(400, 50035, None),
    Status.UNAUTHENTICATED: Row(401, 0, "401: Unauthorized"),
    Status.PERMISSION_DENIED: Row(403, 50013, None),
    Status.NOT_FOUND: Row(404, 0, "404: Not Found"),
    Status.ALREADY_EXISTS: Row(409, 0, None),
    Status.FAILED_PRECONDITION: Row(400, 50035, None),
    Status.RESOURCE_EXHAUSTED: Row(429, 0, "You are being rate limited."),
    Status.ABORTED: Row(409, 0, None),
    Status.UNAVAILABLE: Row(503, 0, "503: Service Unavailable"),
    Status.DEADLINE_EXCEEDED: Row(503, 0, "503: Service Unavailable"),
    Status.INTERNAL: Row(500, 0, "500: Internal Server Error"),
}

RETRY_AFTER_SECONDS: Final = 1
_INTERNAL: Final = _BY_STATUS[Status.INTERNAL]


def answer(error: BeepError) -> Answer:
    """What the client gets. A refusal carries the id under which a moderator finds the decision."""
    row = TABLE.get(error.reason) or _BY_STATUS.get(error.status, _INTERNAL)
    body: dict[str, Any] = {"message": row.message or error.message, "code": row.code}
    if error.violations:
        body["errors"] = nest(error.violations)
    if "decision_id" in error.metadata:
        body["decision_id"] = error.metadata["decision_id"]
    if "missing" in error.metadata:
        body["missing_permissions"] = error.metadata["missing"]
    if row.status == HTTPStatus.TOO_MANY_REQUESTS:
        limited = rate_limited(_seconds(error.metadata.get("retry_after")), scope="shared")
        if row.code:
            limited.body.update(body)
        return limited
    if row.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Answer(row.status, body, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    return Answer(row.status, body)


def plain(status: int) -> Answer:
    """An answer that has no code but HTTP's: `404: Not Found`."""
    return Answer(status, {"message": f"{status}: {HTTPStatus(status).phrase}", "code": 0})


def rate_limited(retry_after: float, *, scope: str) -> Answer:
    """A 429 as the libraries insist on it: without `Via` discord.py takes it for a block by Cloudflare.

    `scope` is `user`, `global` or `shared` (a limit that is not the caller's own).
    """
    is_global = scope == "global"
    headers = {
        # Whole seconds for HTTP, rounded up; the body has the fraction.
        "Retry-After": str(max(1, -int(-retry_after // 1))),
        "Via": "1.1 beep",
        "X-RateLimit-Scope": scope,
    }
    if is_global:
        headers["X-RateLimit-Global"] = "true"
    body = {"message": "You are being rate limited.", "retry_after": round(retry_after, 3), "global": is_global}
    return Answer(HTTPStatus.TOO_MANY_REQUESTS, body, headers)


def nest(violations: Sequence[FieldViolation]) -> dict[str, Any]:
    """`embeds.0.title` becomes {"embeds": {"0": {"title": {"_errors": […]}}}}; an empty path is the body itself."""
    root: dict[str, Any] = {}
    for violation in violations:
        place = root
        for step in violation.field.split(".") if violation.field else ():
            place = place.setdefault(step, {})
        place.setdefault("_errors", []).append({"code": violation.code, "message": violation.message})
    return root


def _seconds(text: str | None) -> float:
    try:
        return float(text) if text else RETRY_AFTER_SECONDS
    except ValueError:
        return RETRY_AFTER_SECONDS
