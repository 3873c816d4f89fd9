"""What a webhook may be called, and when a change is none."""

import pytest

from services.common.limits import IDEMPOTENCY_KEY, WEBHOOK_NAME
from services.webhooks.__main__ import _new_token
from services.webhooks.domain import webhook as rules
from services.webhooks.domain.errors import InvalidForm
from services.webhooks.domain.webhook import TOKEN_LENGTH, Webhook, WebhookEdit


def made(**fields: object) -> Webhook:
    given = {
        "webhook_id": 1,
        "server_id": 2,
        "channel_id": 3,
        "creator_id": 4,
        "name": "ci",
        "avatar": "",
        "token": "t",
    }
    return rules.create(**given | {"token": "t"} | fields)  # type: ignore[arg-type]


def test_name_is_kept_without_blanks_around_it() -> None:
    assert made(name="  build   server ").name == "build server"
    assert made(name="x" * WEBHOOK_NAME).revision == 1


@pytest.mark.parametrize("fields", [{"name": "  "}, {"name": "x" * (WEBHOOK_NAME + 1)}, {"avatar": "../etc"}])
def test_form_is_refused_when_it_means_nothing(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidForm) as refused:
        made(**fields)
    assert [violation.field for violation in refused.value.violations] == list(fields)


def test_change_has_the_next_revision_and_no_change_none() -> None:
    webhook = made()
    changed = rules.edited(webhook, WebhookEdit(name="cd", channel_id=9))
    assert changed is not None
    assert (changed.name, changed.channel_id, changed.revision, changed.token) == ("cd", 9, 2, "t")
    assert rules.edited(webhook, WebhookEdit(name=" ci ")) is None
    with pytest.raises(InvalidForm):
        rules.edited(webhook, WebhookEdit(name=""))


def test_key_is_refused_when_it_is_too_long() -> None:
    rules.require_key("k" * IDEMPOTENCY_KEY)
    with pytest.raises(InvalidForm):
        rules.require_key("k" * (IDEMPOTENCY_KEY + 1))


def test_token_is_not_shown_when_a_webhook_is_printed() -> None:
    assert "secret" not in repr(made(token="secret"))


def test_tokens_have_the_length_by_which_libraries_know_them() -> None:
    tokens = {_new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert {len(token) for token in tokens} == {TOKEN_LENGTH} == {68}
    assert all(character.isascii() and (character.isalnum() or character in "_-") for t in tokens for character in t)
