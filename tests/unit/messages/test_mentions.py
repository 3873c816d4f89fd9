import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.snowflake import MAX_SNOWFLAKE
from services.messages.domain.errors import InvalidForm
from services.messages.domain.mentions import (
    ALL_ALLOWED,
    AllowedMentions,
    Mentions,
    check_allowed,
    decide,
    named_in,
)

NONE_ALLOWED = AllowedMentions(parse_users=False, parse_roles=False, parse_everyone=False, replied_user=False)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("hello", Mentions()),
        ("<@1> <@!2> <@1>", Mentions(user_ids=(1, 2))),
        ("<@&3><@&4>", Mentions(role_ids=(3, 4))),
        ("@everyone", Mentions(everyone=True)),
        ("psst @here!", Mentions(everyone=True)),
        ("@everyones <@> <@&> <@x> <@&!5> < @1> @ everyone", Mentions()),
        ("`<@1>` ``<@2> ` x`` ```\n@everyone <@3>``` <@4>", Mentions(user_ids=(4,))),
        ("` <@1>", Mentions(user_ids=(1,))),
        ("<@\u0661>", Mentions()),
        (f"<@{MAX_SNOWFLAKE}> <@{MAX_SNOWFLAKE + 1}>", Mentions(user_ids=(MAX_SNOWFLAKE,))),
        ("<@12345678901234567890>", Mentions()),
    ],
)
def test_text_names_whom_it_mentions(content: str, expected: Mentions) -> None:
    assert named_in(content) == expected


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (ALL_ALLOWED, Mentions((1, 2), (3, 4), everyone=True)),
        (NONE_ALLOWED, Mentions()),
        (AllowedMentions(parse_users=False, user_ids=(2, 9)), Mentions((2,), (3, 4), everyone=True)),
        (AllowedMentions(parse_roles=False, role_ids=(4,)), Mentions((1, 2), (4,), everyone=True)),
        (AllowedMentions(parse_everyone=False), Mentions((1, 2), (3, 4))),
    ],
)
def test_sender_narrows_what_the_text_names(allowed: AllowedMentions, expected: Mentions) -> None:
    assert named_in("<@1> <@2> <@&3> <@&4> @everyone", allowed) == expected


@pytest.mark.parametrize(
    "allowed",
    [
        AllowedMentions(user_ids=(1,)),
        AllowedMentions(role_ids=(1,)),
        AllowedMentions(parse_users=False, user_ids=tuple(range(101))),
    ],
)
def test_contradicting_allowed_mentions_are_refused(allowed: AllowedMentions) -> None:
    with pytest.raises(InvalidForm):
        check_allowed(allowed)


def test_consistent_allowed_mentions_pass() -> None:
    check_allowed(ALL_ALLOWED)
    check_allowed(AllowedMentions(parse_users=False, user_ids=tuple(range(100))))


def test_rights_narrow_what_is_left() -> None:
    named = Mentions((1, 2), (3, 4), everyone=True)
    granted = decide(named, known_users={1}, mentionable_roles={4}, everyone_granted=True)
    assert granted == Mentions((1,), (4,), everyone=True)
    assert not decide(named, known_users=(), mentionable_roles=(), everyone_granted=False).everyone


def test_reply_mentions_whom_it_answers_once() -> None:
    def decided(replied_to: int) -> tuple[int, ...]:
        named = Mentions((1,))
        known = {1, 2}
        return decide(
            named, known_users=known, mentionable_roles=(), everyone_granted=False, replied_to=replied_to
        ).user_ids

    assert [decided(2), decided(1), decided(0), decided(3)] == [(1, 2), (1,), (1,), (1,)]


_PIECES = st.sampled_from(["<@1>", "<@!2>", "<@&3>", "@everyone", "@here", "`", "``", "```", "<@", ">", "a", "\n", " "])


@given(st.lists(_PIECES).map("".join), st.builds(AllowedMentions, st.booleans(), st.booleans(), st.booleans()))
def test_nothing_is_mentioned_that_is_not_in_the_text_or_not_allowed(content: str, allowed: AllowedMentions) -> None:
    named = named_in(content, allowed)
    assert set(named.user_ids) <= {1, 2}
    assert len(set(named.user_ids)) == len(named.user_ids)
    assert all(f"<@{user}>" in content or f"<@!{user}>" in content for user in named.user_ids)
    assert not named.user_ids or allowed.parse_users
    assert not named.role_ids or (allowed.parse_roles and "<@&3>" in content)
    assert not named.everyone or (allowed.parse_everyone and ("@everyone" in content or "@here" in content))


@pytest.mark.parametrize("piece", ["`", "``` ", "`` `", "`@", "<@", "<@&1", "```a``b`", "@everyone`"])
def test_hostile_text_is_read_in_linear_time(piece: str) -> None:
    content = (piece * 4000)[:4000]
    started = time.process_time()
    named_in(content + "@")
    # Quadratic time would be seconds. What others do to the machine meanwhile is not counted.
    assert time.process_time() - started < 0.2
