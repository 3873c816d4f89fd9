"""Whom a message mentions.

1. The text names candidates: `<@id>`, `<@!id>` (users), `<@&id>` (roles), `@everyone`, `@here`. What stands in code
   (between back-ticks) is text. https://docs.discord.com/developers/reference#message-formatting
2. `allowed_mentions` narrows them. https://docs.discord.com/developers/resources/message#allowed-mentions-object
3. Rights narrow them again: @everyone and roles that are not mentionable need MENTION_EVERYONE.
4. A reply mentions the author of what it answers, unless `replied_user` is off.

Everything is in the order of the text and named once.
"""

import re
from collections.abc import Collection
from typing import Final

from msgspec import Struct

from services.common.errors import FieldViolation
from services.common.limits import ALLOWED_MENTION_IDS
from services.common.snowflake import MAX_SNOWFLAKE
from services.messages.domain.errors import InvalidForm, too_long

# Tried in this order, so that code swallows what it contains. The time is linear: a search for the end of code that
# finds none was the last one of its kind.
_TOKEN: Final = re.compile(
    r"```.+?```|``.+?``|`[^`]+`|<@(?:!?|(?P<role>&))(?P<id>[0-9]{1,19})>|(?P<everyone>@(?:everyone|here)\b)", re.DOTALL
)


class AllowedMentions(Struct, frozen=True):
    """What the sender lets the text mention; the default is what a message without `allowed_mentions` has."""

    parse_users: bool = True
    parse_roles: bool = True
    parse_everyone: bool = True
    user_ids: tuple[int, ...] = ()
    role_ids: tuple[int, ...] = ()
    replied_user: bool = True


class Mentions(Struct, frozen=True):
    """Whom a message mentions, or may mention."""

    user_ids: tuple[int, ...] = ()
    role_ids: tuple[int, ...] = ()
    everyone: bool = False


NOBODY: Final = Mentions()
ALL_ALLOWED: Final = AllowedMentions()


def check_allowed(allowed: AllowedMentions) -> None:
    """Refuse what contradicts itself, as Discord does: everybody of a kind, and only these."""
    kinds = (("users", allowed.parse_users, allowed.user_ids), ("roles", allowed.parse_roles, allowed.role_ids))
    for kind, parse, ids in kinds:
        if parse and ids:
            message = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            raise InvalidForm(FieldViolation("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message))
        if len(ids) > ALLOWED_MENTION_IDS:
            raise InvalidForm(too_long(f"allowed_mentions.{kind}", ALLOWED_MENTION_IDS))


def named_in(content: str, allowed: AllowedMentions = ALL_ALLOWED) -> Mentions:
    """The candidates that the text names and the sender allows: rules 1 and 2."""
    if "@" not in content:
        return NOBODY
    # Dictionaries keep the order and drop what is named again.
    users: dict[int, None] = {}
    roles: dict[int, None] = {}
    everyone = False
    for token in _TOKEN.finditer(content):
        if token["everyone"]:
            everyone = True
        elif token["id"] and (target := int(token["id"])) <= MAX_SNOWFLAKE:
            (roles if token["role"] else users)[target] = None
    return Mentions(
        user_ids=tuple(user for user in users if allowed.parse_users or user in allowed.user_ids),
        role_ids=tuple(role for role in roles if allowed.parse_roles or role in allowed.role_ids),
        everyone=everyone and allowed.parse_everyone,
    )


def decide(
    named: Mentions,
    *,
    known_users: Collection[int],
    mentionable_roles: Collection[int],
    everyone_granted: bool,
    replied_to: int = 0,
) -> Mentions:
    """Whom the message mentions in the end: rules 3 and 4.

    Args:
        named: the candidates.
        known_users: those of them (and of `replied_to`) that exist.
        mentionable_roles: the roles that this author may mention.
        everyone_granted: the author has MENTION_EVERYONE here.
        replied_to: the author of the message that this one answers, when that one is to be told; 0: nobody.
    """
    users = dict.fromkeys(user for user in (*named.user_ids, replied_to) if user in known_users)
    return Mentions(
        user_ids=tuple(users),
        role_ids=tuple(role for role in named.role_ids if role in mentionable_roles),
        everyone=named.everyone and everyone_granted,
    )


def targets(mentions: Mentions, server_id: int) -> tuple[int, ...]:
    """What the mention counts of its readers look for: ids of users and roles; the server's stands for everybody."""
    return (*mentions.user_ids, *mentions.role_ids, *((server_id,) if mentions.everyone else ()))
