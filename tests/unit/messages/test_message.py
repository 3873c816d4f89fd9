import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.common.errors import BeepError
from services.common.limits import BULK_DELETE, MESSAGE_CONTENT, MESSAGE_NONCE
from services.common.snowflake import at_ms, timestamp_ms
from services.messages.domain import message
from services.messages.domain.errors import (
    BulkDeleteTooOld,
    EmptyMessage,
    InvalidForm,
    NotAuthor,
    SystemMessage,
)
from services.messages.domain.mentions import Mentions
from services.messages.domain.message import Message, MessageType
from services.messages.domain.place import Place

NOW = 1_767_225_600_000
EMBEDS = b'[{"title":"t"}]'
ANN, BOB = 1, 2

PLACE = Place(7, 8)
SENT = message.send(message.draft("hello"), message_id=at_ms(NOW), place=PLACE, author_id=ANN, mentions=Mentions())
NOTICE = message.pin_notice(SENT, message_id=at_ms(NOW) + 1, author_id=BOB)


def test_send_makes_the_message_that_was_drafted() -> None:
    draft = message.draft("hi", flags=0xFFFF, tts=True, nonce="n")
    mentions = Mentions(user_ids=(3,))
    sent = message.send(draft, message_id=9, place=PLACE, author_id=ANN, mentions=mentions, answered=SENT)
    assert sent == Message(
        id=9,
        channel_id=7,
        server_id=8,
        author_id=ANN,
        type=MessageType.REPLY,
        content="hi",
        flags=int(message.SENDABLE_FLAGS),
        tts=True,
        mentions=mentions,
        reference_id=SENT.id,
    )
    assert SENT.type is MessageType.DEFAULT
    assert SENT.created_at_ms == NOW


@pytest.mark.parametrize("content", ["", " ", "\n\t", "\u3000"])
def test_draft_refuses_nothing_but_white_space_unless_there_is_an_embed(content: str) -> None:
    with pytest.raises(EmptyMessage):
        message.draft(content)
    with pytest.raises(EmptyMessage):
        message.draft(content, embeds=b"[]")
    assert message.draft(content, embeds=EMBEDS).content == content


@given(st.text(alphabet="\N{PILE OF POO}e\u0301", min_size=MESSAGE_CONTENT - 1, max_size=MESSAGE_CONTENT + 1))
def test_draft_counts_code_points(content: str) -> None:
    if len(content) <= MESSAGE_CONTENT:
        assert message.draft(content).content == content
    else:
        with pytest.raises(InvalidForm) as refused:
            message.draft(content)
        assert [violation.field for violation in refused.value.violations] == ["content"]


def test_draft_refuses_a_long_nonce() -> None:
    assert message.draft("x", nonce="n" * MESSAGE_NONCE).nonce
    with pytest.raises(InvalidForm):
        message.draft("x", nonce="n" * (MESSAGE_NONCE + 1))


def test_edit_changes_what_is_given_and_nothing_else() -> None:
    assert message.edit(SENT, now_ms=5, content="new") == replace(SENT, content="new", edited_at_ms=5, revision=1)
    assert message.edit(SENT, now_ms=5, embeds=EMBEDS).content == "hello"
    hidden = message.edit(SENT, now_ms=5, flags=0xFFFF)
    assert hidden == replace(SENT, flags=int(message.EDITABLE_FLAGS), revision=1)
    assert message.edit(hidden, now_ms=5, flags=0).flags == 0
    mentions = Mentions(everyone=True)
    assert message.edit(SENT, now_ms=5, mentions=mentions) == replace(SENT, mentions=mentions, revision=1)


def test_edit_keeps_the_flags_that_only_a_send_can_set() -> None:
    silent = replace(SENT, flags=int(message.MessageFlag.SUPPRESS_NOTIFICATIONS))
    assert message.edit(silent, now_ms=5, flags=0).flags == silent.flags


@pytest.mark.parametrize("fields", [{"content": ""}, {"content": " ", "embeds": b""}])
def test_edit_refuses_to_leave_nothing(fields: dict[str, object]) -> None:
    with pytest.raises(EmptyMessage):
        message.edit(SENT, now_ms=5, **fields)


@pytest.mark.parametrize(
    ("subject", "editor", "manages", "only_flags", "refusal"),
    [
        (SENT, ANN, False, False, None),
        (SENT, ANN, False, True, None),
        (SENT, BOB, True, True, None),
        (SENT, BOB, True, False, NotAuthor),
        (SENT, BOB, False, True, NotAuthor),
        (SENT, BOB, False, False, NotAuthor),
        (NOTICE, BOB, True, True, SystemMessage),
    ],
)
def test_who_may_edit(
    subject: Message, editor: int, manages: bool, only_flags: bool, refusal: type[BeepError] | None
) -> None:
    def check() -> None:
        message.check_editable(subject, editor_id=editor, manages=manages, only_flags=only_flags)

    if refusal is None:
        check()
    else:
        with pytest.raises(refusal):
            check()


def test_pin_and_unpin_are_each_a_revision() -> None:
    pinned = message.pin(SENT, now_ms=5)
    assert (pinned.pinned_at_ms, pinned.revision, pinned.edited_at_ms) == (5, 1, 0)
    assert message.unpin(pinned) == replace(SENT, revision=2)


def test_a_system_message_is_neither_pinned_nor_answered() -> None:
    with pytest.raises(SystemMessage):
        message.pin(NOTICE, now_ms=5)
    with pytest.raises(InvalidForm):
        message.check_answerable(NOTICE)
    message.check_answerable(SENT)


def test_pin_notice_names_the_message_and_who_pinned_it() -> None:
    assert (NOTICE.reference_id, NOTICE.author_id, NOTICE.channel_id) == (SENT.id, BOB, SENT.channel_id)


@given(st.lists(st.integers(at_ms(NOW - message.BULK_DELETE_AGE_MS), at_ms(NOW)), max_size=BULK_DELETE + 5))
def test_bulk_delete_takes_2_to_100_different_ids(ids: list[int]) -> None:
    if 2 <= len(set(ids)) <= BULK_DELETE:
        assert message.check_bulk_delete(ids, now_ms=NOW) == tuple(sorted(set(ids)))
    else:
        with pytest.raises(InvalidForm):
            message.check_bulk_delete(ids, now_ms=NOW)


def test_bulk_delete_refuses_what_is_older_than_two_weeks() -> None:
    oldest = at_ms(NOW - message.BULK_DELETE_AGE_MS)
    assert message.check_bulk_delete([oldest, SENT.id], now_ms=NOW)
    with pytest.raises(BulkDeleteTooOld):
        message.check_bulk_delete([oldest - 1, SENT.id], now_ms=NOW)
    assert timestamp_ms(oldest - 1) < NOW - message.BULK_DELETE_AGE_MS
