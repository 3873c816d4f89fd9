"""Types of what clients send, with their limits: they decode, check and document a field at once.

Bodies are decoded leniently as Discord does: a number may come as a string, `true` as `True` or 1. Ids and permissions
are such numbers, so these types read both forms (string or number in, string out).
"""

from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

from litestar.params import PathParameter, QueryParameter
from msgspec import Meta, UnsetType

from services.common import limits
from services.common.snowflake import MAX_SNOWFLAKE

DIGITS: Final = "digits"
"""Marks, for the OpenAPI document, numbers that are better sent as strings: JavaScript reads numbers as doubles."""

Snowflake = Annotated[int, Meta(ge=0, le=MAX_SNOWFLAKE, extra_json_schema={"format": DIGITS, "description": "An id."})]
Permissions = Annotated[
    int, Meta(ge=0, le=(1 << 63) - 1, extra_json_schema={"format": DIGITS, "description": "Permission bits."})
]
Color = Annotated[int, Meta(ge=0, le=0xFFFFFF)]
Flags = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
Position = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
RoleName = Annotated[str, Meta(max_length=limits.ROLE_NAME)]
ServerName = Annotated[str, Meta(min_length=limits.SERVER_NAME_MIN, max_length=limits.SERVER_NAME)]
ChannelName = Annotated[str, Meta(min_length=1, max_length=limits.CHANNEL_NAME)]
SlowMode = Annotated[int, Meta(ge=0, le=limits.CHANNEL_RATE_LIMIT)]
# Minutes.
AutoArchive = Annotated[int, Meta(ge=0, le=limits.AUTO_ARCHIVE_MINUTES)]
WebhookName = Annotated[str, Meta(min_length=1, max_length=limits.WEBHOOK_NAME)]
Username = Annotated[str, Meta(min_length=1, max_length=limits.USERNAME)]
Nickname = Annotated[str, Meta(max_length=limits.NICKNAME)]
Email = Annotated[str, Meta(min_length=3, max_length=limits.EMAIL, extra_json_schema={"format": "email"})]

# Without a zone it is UTC, as at Discord.
Moment = Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]

# What stands in a URL is checked by Litestar, which reads the limits from its own markers.
PathId = Annotated[int, PathParameter(ge=0, le=MAX_SNOWFLAKE, format=DIGITS)]
PathCode = Annotated[str, PathParameter(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
QueryId = Annotated[int, QueryParameter(ge=0, le=MAX_SNOWFLAKE, format=DIGITS)]
OptionalQueryId = Annotated[int | None, QueryParameter(ge=0, le=MAX_SNOWFLAKE, format=DIGITS)]
OptionalQueryMoment = Annotated[datetime | None, QueryParameter(format="date-time")]
QueryText = Annotated[
    str,
    # `query` is a word that Litestar keeps for itself.
    QueryParameter(name="query", max_length=limits.SERVER_NAME, pattern=r"^[^\x00]*$"),
]
QUERY_NAMES: Final = {"text": "query"}
"""What a handler's argument is called outside, when not the same."""

T = TypeVar("T")


def milliseconds(moment: datetime) -> int:
    """Unix time. A moment without a zone is in UTC, as at Discord."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)


def given(value: T | UnsetType | None) -> T | None:
    """Left out and null are one thing where null has no meaning of its own: nothing is changed."""
    return None if isinstance(value, UnsetType) else value


def or_empty(value: T | UnsetType | None, empty: T) -> T | None:
    """Where null means "take it away": null becomes the proto's `empty`, and left out stays absent."""
    if isinstance(value, UnsetType):
        return None
    return empty if value is None else value
