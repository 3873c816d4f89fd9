from collections.abc import AsyncIterator
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from services.authz.config import DEFAULTS
from services.authz.domain.facts import CHANNEL_RIGHT, SERVER_RIGHT, Attribute, Entity, server_entity
from services.authz.domain.schema import parse_schema
from services.authz.store import embedded, remembered
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.store.ports import Context, Token
from services.authz.store.remembered import RememberedRules
from services.authz.waves import SUBJECT, ServerContext
from services.common.errors import Unavailable
from tests.support.counted_engine import CountedEngine

SEND, KICK = Entity(SERVER_RIGHT, "10.send_messages"), Entity(SERVER_RIGHT, "10.kick_members")
SEND_ELSEWHERE = Entity(SERVER_RIGHT, "20.send_messages")


def _holding(*roles: str) -> Context:
    return ServerContext(True, False, False, False, False, roles)._asdict()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[CountedEngine]:
    opened = await EmbeddedAuthorizer.open(tmp_path / "authz.db")
    await opened.write_schema(DEFAULTS.schema.read_text())
    yield CountedEngine(opened)
    await opened.close()


@pytest.fixture
def rules(engine: CountedEngine) -> RememberedRules:
    return RememberedRules(engine, parse_schema(DEFAULTS.schema.read_text()))


async def _granted(engine: CountedEngine, right: Entity, *roles: str) -> Token:
    return await engine.write([Attribute(right, "granted", roles)])


def _checks(engine: CountedEngine) -> list[Entity]:
    return [entity for kind, entity in engine.asked if kind == "check"]


async def test_rights_with_equal_facts_are_one_question(engine: CountedEngine, rules: RememberedRules) -> None:
    await _granted(engine, SEND, "1", "2")
    await _granted(engine, SEND_ELSEWHERE, "1", "2")
    token = await _granted(engine, KICK, "2")
    for right, answer in ((SEND, True), (SEND_ELSEWHERE, True), (KICK, False)):
        assert await rules.check(right, "allowed", SUBJECT, _holding("1"), token) is answer
    assert _checks(engine) == [SEND, KICK]


async def test_rights_of_a_server_are_read_in_one_call(engine: CountedEngine, rules: RememberedRules) -> None:
    token = await _granted(engine, SEND, "1")
    await rules.check(SEND, "allowed", SUBJECT, _holding("1"), token)
    engine.forget()
    await rules.check(KICK, "allowed", SUBJECT, _holding("1"), token)
    await rules.check(KICK, "allowed", SUBJECT, _holding("1"), token)
    assert engine.calls == len(_checks(engine)) == 1


async def test_another_context_is_another_question(engine: CountedEngine, rules: RememberedRules) -> None:
    token = await _granted(engine, SEND, "1")
    assert await rules.check(SEND, "allowed", SUBJECT, _holding("1"), token) is True
    for changed in ({"roles": ("2",)}, {"muted": True}, {"suspended": True}, {"frozen": True}, {"joined": False}):
        assert await rules.check(SEND, "allowed", SUBJECT, {**_holding("1"), **changed}, token) is False


async def test_each_token_has_its_own_facts(engine: CountedEngine, rules: RememberedRules) -> None:
    before = await _granted(engine, SEND, "1")
    after = await _granted(engine, SEND, "2")
    for _ in range(2):
        assert await rules.check(SEND, "allowed", SUBJECT, _holding("1"), before) is True
        assert await rules.check(SEND, "allowed", SUBJECT, _holding("1"), after) is False


async def test_edit_asks_only_for_the_rights_that_it_changed(engine: CountedEngine, rules: RememberedRules) -> None:
    await _granted(engine, KICK, "2")
    before = await _granted(engine, SEND, "1")
    for right in (SEND, KICK):
        await rules.check(right, "allowed", SUBJECT, _holding("1"), before)
    after = await _granted(engine, SEND, "1", "3")
    engine.forget()
    for right in (SEND, KICK):
        await rules.check(right, "allowed", SUBJECT, _holding("1"), after)
    assert _checks(engine) == [SEND]


async def test_facts_of_a_large_server_are_forgotten_when_it_is_edited_again_and_again(
    engine: CountedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = DEFAULTS.schema.read_text()
    monkeypatch.setattr(remembered, "VALUES_KEPT", 2_000)
    rules = RememberedRules(engine, parse_schema(schema))
    roles = [str(role) for role in range(250)]
    tokens = [await _granted(engine, SEND, *roles[:-number]) for number in range(1, 11)]
    for token in tokens:
        assert await rules.check(SEND, "allowed", SUBJECT, _holding("1"), token) is True
    engine.forget()
    for token, calls in ((tokens[-1], 0), (tokens[0], 2)):
        assert await rules.check(SEND, "allowed", SUBJECT, _holding("1"), token) is True
        assert engine.calls == calls, "the facts are read again, and the question asked"


async def test_engine_in_the_process_forgets_such_facts_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Token] = []
    read_group = embedded._read_group

    def counted(connection: Connection, entity: Entity, revision: int) -> Any:
        read.append(str(revision))
        return read_group(connection, entity, revision)

    monkeypatch.setattr(embedded, "_read_group", counted)
    monkeypatch.setattr(embedded, "VALUES_KEPT", 2_000)
    engine = await EmbeddedAuthorizer.open(tmp_path / "authz.db")
    try:
        await engine.write_schema(DEFAULTS.schema.read_text())
        roles = tuple(str(role) for role in range(250))
        tokens = [await engine.write([Attribute(SEND, "granted", roles)]) for _ in range(10)]
        for token in (*tokens, tokens[-1], tokens[0]):
            assert await engine.check(SEND, "allowed", SUBJECT, _holding("1"), token) is True
    finally:
        await engine.close()
    assert read == [*tokens, tokens[0]]


async def test_two_rules_are_never_one_question(engine: CountedEngine, rules: RememberedRules) -> None:
    # Neither has any facts; of the one the server grants it, to the other nobody does.
    here = Entity(CHANNEL_RIGHT, "10.send_messages")
    token = await engine.head()
    context = {**_holding("1"), "granted": True, "viewed": True, "needed": True, "user": "caller"}
    assert await rules.check(here, "allowed", SUBJECT, context, token) is True
    assert await rules.check(SEND, "allowed", SUBJECT, context, token) is False
    # The numbers of a server and of a channel may be equal: their facts are not.
    assert {entity.type for kind, entity in engine.asked if kind == "read"} == {SERVER_RIGHT, CHANNEL_RIGHT}


async def test_what_is_no_right_goes_straight_to_the_engine(engine: CountedEngine, rules: RememberedRules) -> None:
    server = server_entity(10)
    token = await engine.write([Attribute(server, "frozen", True)])
    for _ in range(2):
        assert await rules.check(server, "is_frozen", SUBJECT, {}, token) is True
    assert _checks(engine) == [server, server]


async def test_error_is_not_remembered(
    engine: CountedEngine, rules: RememberedRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await _granted(engine, SEND, "1")

    async def fail(*_: object) -> bool:
        raise Unavailable("ENGINE_DOWN")

    for call in ("read_attributes", "check"):
        with monkeypatch.context() as patched:
            patched.setattr(engine, call, fail)
            with pytest.raises(Unavailable):
                await rules.check(SEND, "allowed", SUBJECT, _holding("1"), token)
    assert await rules.check(SEND, "allowed", SUBJECT, _holding("1"), token) is True
