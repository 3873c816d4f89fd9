"""What is Permify's own, beyond the contract of every engine (tests/contract/test_authorizer.py)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.authz.config import DEFAULTS
from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter
from services.authz.store import permify as adapter
from services.authz.store.permify import PermifyAuthorizer
from services.common.clock import SystemClock
from services.common.errors import BeepError, Internal, Unavailable
from tests.support.permify import PermifyServer

SCHEMA = DEFAULTS.schema.read_text()


@asynccontextmanager
async def opened(server: PermifyServer, tenant: str) -> AsyncIterator[PermifyAuthorizer]:
    authorizer = await PermifyAuthorizer.open(server.address, tenant, server.key, SystemClock())
    try:
        yield authorizer
    finally:
        await authorizer.close()


@pytest.fixture
async def authorizer(permify: PermifyServer) -> AsyncIterator[PermifyAuthorizer]:
    async with opened(permify, permify.new_tenant()) as authorizer:
        await authorizer.write_schema(SCHEMA)
        yield authorizer


async def test_schema_is_written_once_when_permify_is_opened_again(permify: PermifyServer) -> None:
    tenant = permify.new_tenant()
    versions = []
    for text in (SCHEMA, SCHEMA, SCHEMA + "entity shelf {}\n", SCHEMA):
        async with opened(permify, tenant) as authorizer:
            calls = authorizer.calls.made
            versions.append((await authorizer.write_schema(text), authorizer.calls.made - calls))
    (first, _), (again, found), (other, _), (back, _) = versions
    assert first == again == back != other
    # The versions are listed, the newest is looked at, and that is it.
    assert found == 2


async def test_two_that_start_at_once_decide_alike(permify: PermifyServer) -> None:
    tenant = permify.new_tenant()
    async with opened(permify, tenant) as one, opened(permify, tenant) as other:
        await asyncio.gather(one.write_schema(SCHEMA), other.write_schema(SCHEMA))
        server, user = Entity("server", "1"), Entity("user", "caller")
        token = await one.write([Attribute(server, "frozen", True)])
        assert await one.check(server, "is_frozen", user, {}, token) is True
        assert await other.check(server, "is_frozen", user, {}, token) is True


async def test_newer_schema_of_another_process_decides_nothing_here(permify: PermifyServer) -> None:
    tenant = permify.new_tenant()
    server, user = Entity("server", "1"), Entity("user", "caller")
    async with opened(permify, tenant) as old, opened(permify, tenant) as new:
        await old.write_schema(SCHEMA)
        token = await old.write([Attribute(server, "frozen", True)])
        await new.write_schema(
            SCHEMA.replace("permission is_frozen = frozen", "permission is_frozen = frozen not frozen")
        )
        assert await new.check(server, "is_frozen", user, {}, token) is False
        assert await old.check(server, "is_frozen", user, {}, token) is True


async def test_everything_is_read_when_it_is_many_pages_and_types(
    authorizer: PermifyAuthorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "ROWS_PER_PAGE", 7)
    monkeypatch.setattr(adapter, "IDS_PER_CALL", 10)
    seats = [Entity("seat", f"1.{number}") for number in range(50)]
    users = [Entity("user", str(number)) for number in range(25)]
    channels = [Entity("channel", str(number)) for number in range(30)]
    written = [
        Attribute(seat, name, value) for seat in seats for name, value in (("roles", ("1", "2")), ("version", 3))
    ]
    written += [Attribute(user, "suspended", True) for user in users]
    server = Entity("server", "1")
    token = await authorizer.write(written, [Relationship(channel, "server", server) for channel in channels])
    found = await authorizer.read_attributes([*seats, *users, *seats], token)
    assert {Attribute(entity, name, value) for entity, some in found.items() for name, value in some.items()} == set(
        written
    )
    for query in (
        RelationshipFilter("channel", "server", subject=server),
        RelationshipFilter("channel", "server", tuple(channel.id for channel in channels)),
    ):
        assert {one.entity for one in await authorizer.read_relationships(query, token)} == set(channels)


async def test_later_of_two_values_counts_when_both_are_in_one_write(authorizer: PermifyAuthorizer) -> None:
    server = Entity("server", "1")
    token = await authorizer.write([Attribute(server, "owner", "1"), Attribute(server, "owner", "2")])
    assert await authorizer.read_attributes([server], token) == {server: {"owner": "2"}}


async def test_question_without_a_token_is_never_sent(authorizer: PermifyAuthorizer) -> None:
    before = authorizer.calls.made
    with pytest.raises(Internal):
        await authorizer.check(Entity("server", "1"), "is_frozen", Entity("user", "1"), {}, "")
    with pytest.raises(Internal):
        await authorizer.read_attributes([Entity("server", "1")], "")
    assert authorizer.calls.made == before


async def test_token_that_permify_cannot_read_is_no_denial(authorizer: PermifyAuthorizer) -> None:
    with pytest.raises(BeepError):
        await authorizer.check(Entity("server", "1"), "is_frozen", Entity("user", "1"), {}, "garbage!")


async def test_one_check_is_one_call(authorizer: PermifyAuthorizer) -> None:
    token = await authorizer.head()
    before = authorizer.calls.made
    await authorizer.check(Entity("server", "1"), "is_frozen", Entity("user", "1"), {}, token)
    assert authorizer.calls.made == before + 1


async def test_probe_says_what_it_found(permify: PermifyServer) -> None:
    async with opened(permify, permify.new_tenant()) as authorizer:
        assert "first start" in await authorizer.probe()
        await authorizer.write_schema(SCHEMA)
        assert await authorizer.probe() == "answers a check"


async def test_opening_fails_with_the_address_when_nobody_answers() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1\b.*BEEP_AUTHORIZER"):
        await PermifyAuthorizer.open("127.0.0.1:1", "t", "k", SystemClock(), patience=0.0)


@pytest.mark.parametrize("key", ["", "another"])
async def test_opening_fails_at_once_when_the_key_is_wrong(permify: PermifyServer, key: str) -> None:
    with pytest.raises(Unavailable, match="BEEP_PERMIFY_KEY") as refused:
        await PermifyAuthorizer.open(permify.address, permify.new_tenant(), key, SystemClock())
    assert "another" not in str(refused.value)
