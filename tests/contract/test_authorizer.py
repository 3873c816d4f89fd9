"""What every permission engine promises (services/authz/store/ports.py). A new adapter joins `ADAPTERS`."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.store.permify import PermifyAuthorizer
from services.authz.store.ports import WRITE_LIMIT, Authorizer, Context
from services.common.clock import SystemClock
from services.common.errors import Internal, InvalidArgument
from tests.support.permify import PermifyServer

SCHEMA = """
rule listed(names string[]) {
    context.data.sure && context.data.name in names
}
entity user {}
entity team {
    relation member @user
}
entity folder {
    attribute locked boolean
    permission is_locked = locked
}
entity file {
    relation parent @folder
    relation reader @user @team#member
    attribute names string[]
    attribute size integer
    attribute title string
    permission listed_here = listed(names)
    permission read = reader not parent.is_locked
    permission read_both = reader and (read or listed(names))
}
"""

ANNE, BERT = Entity("user", "anne"), Entity("user", "bert")
FILE, OTHER, FOLDER, TEAM = Entity("file", "1.a"), Entity("file", "1.b"), Entity("folder", "f"), Entity("team", "t")
SURE: Context = {"sure": True, "name": "x"}

Opener = Callable[[], AbstractAsyncContextManager[Authorizer]]


def _embedded(directory: Path) -> Opener:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Authorizer]:
        authorizer = await EmbeddedAuthorizer.open(directory / "authz.db")
        try:
            await authorizer.write_schema(SCHEMA)
            yield authorizer
        finally:
            await authorizer.close()

    return opened


def _permify(server: PermifyServer) -> Opener:
    tenant = server.new_tenant()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Authorizer]:
        authorizer = await PermifyAuthorizer.open(server.address, tenant, server.key, SystemClock())
        try:
            await authorizer.write_schema(SCHEMA)
            yield authorizer
        finally:
            await authorizer.close()

    return opened


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], Opener]] = {
    "embedded": lambda request: _embedded(request.getfixturevalue("tmp_path")),
    "permify": lambda request: _permify(request.getfixturevalue("permify")),
}


@pytest.fixture(params=ADAPTERS)
def opener(request: pytest.FixtureRequest) -> Opener:
    """Opens the same engine each time: what one writes, the next one finds."""
    return ADAPTERS[request.param](request)


@pytest.fixture
async def authorizer(opener: Opener) -> AsyncIterator[Authorizer]:
    async with opener() as authorizer:
        yield authorizer


async def test_check_answers_by_rule_from_attribute_and_context(authorizer: Authorizer) -> None:
    token = await authorizer.write([Attribute(FILE, "names", ("w", "x"))])
    assert await authorizer.check(FILE, "listed_here", ANNE, SURE, token) is True
    assert await authorizer.check(FILE, "listed_here", ANNE, {"sure": True, "name": "y"}, token) is False
    assert await authorizer.check(FILE, "listed_here", ANNE, {"sure": False, "name": "x"}, token) is False


async def test_check_denies_when_nothing_was_written(authorizer: Authorizer) -> None:
    token = await authorizer.head()
    assert await authorizer.check(FILE, "listed_here", ANNE, SURE, token) is False
    assert await authorizer.check(FILE, "read", ANNE, {}, token) is False


@pytest.mark.parametrize("missing", ["sure", "name"])
async def test_check_fails_when_context_lacks_what_the_rule_reads(authorizer: Authorizer, missing: str) -> None:
    # `sure` is false, so the answer would not need `name`: it is an error all the same, and never a silent denial.
    token = await authorizer.write([Attribute(FILE, "names", ("x",))])
    context = {key: value for key, value in {"sure": False, "name": "x"}.items() if key != missing}
    with pytest.raises(Internal):
        await authorizer.check(FILE, "listed_here", ANNE, context, token)


@pytest.mark.parametrize(("entity", "permission"), [(FILE, "raed"), (Entity("flie", "1"), "read")])
async def test_check_fails_when_schema_does_not_know_the_question(
    authorizer: Authorizer, entity: Entity, permission: str
) -> None:
    with pytest.raises(Internal):
        await authorizer.check(entity, permission, ANNE, {}, await authorizer.head())


async def test_check_follows_relations_and_exclusion(authorizer: Authorizer) -> None:
    token = await authorizer.write([], [Relationship(FILE, "reader", ANNE), Relationship(FILE, "parent", FOLDER)])
    assert await authorizer.check(FILE, "read", ANNE, {}, token) is True
    assert await authorizer.check(FILE, "read", BERT, {}, token) is False
    locked = await authorizer.write([Attribute(FOLDER, "locked", True)])
    assert await authorizer.check(FILE, "read", ANNE, {}, locked) is False
    assert await authorizer.check(FILE, "read_both", ANNE, {"sure": True, "name": "x"}, locked) is False


async def test_check_follows_the_relation_of_a_subject(authorizer: Authorizer) -> None:
    token = await authorizer.write([], [Relationship(FILE, "reader", TEAM), Relationship(TEAM, "member", BERT)])
    assert await authorizer.check(FILE, "read", BERT, {}, token) is True
    assert await authorizer.check(FILE, "read", ANNE, {}, token) is False


async def test_token_means_exactly_the_facts_as_of_its_write(authorizer: Authorizer) -> None:
    granted = await authorizer.write([Attribute(FILE, "names", ("x",))], [Relationship(FILE, "reader", ANNE)])
    revoked = await authorizer.write([Attribute(FILE, "names", ())])
    deleted = await authorizer.delete(RelationshipFilter("file", "reader", ("1.a",)))
    assert len({granted, revoked, deleted}) == 3
    answers = {token: await authorizer.check(FILE, "listed_here", ANNE, SURE, token) for token in (granted, revoked)}
    assert answers == {granted: True, revoked: False}
    assert await authorizer.check(FILE, "read", ANNE, {}, revoked) is True
    assert await authorizer.check(FILE, "read", ANNE, {}, deleted) is False
    assert (await authorizer.read_attributes([FILE], granted))[FILE] == {"names": ("x",)}
    assert await authorizer.read_relationships(RelationshipFilter("file", "reader", ("1.a",)), granted)
    # Asked again, with what was remembered in between.
    assert await authorizer.check(FILE, "listed_here", ANNE, SURE, granted) is True


async def test_head_sees_every_write_that_has_returned(authorizer: Authorizer) -> None:
    await authorizer.write([Attribute(FILE, "names", ("x",))])
    assert await authorizer.check(FILE, "listed_here", ANNE, SURE, await authorizer.head()) is True
    await authorizer.write([Attribute(FILE, "names", ())])
    assert await authorizer.check(FILE, "listed_here", ANNE, SURE, await authorizer.head()) is False


async def test_write_replaces_attributes_whole_and_keeps_types(authorizer: Authorizer) -> None:
    await authorizer.write(
        [Attribute(FILE, "names", ("a", "b")), Attribute(FILE, "size", 3), Attribute(FOLDER, "locked", True)]
    )
    token = await authorizer.write(
        [Attribute(FILE, "names", ("c",)), Attribute(FILE, "title", "ä 'quoted'"), Attribute(FOLDER, "locked", False)]
    )
    facts = await authorizer.read_attributes([FILE, FOLDER, OTHER], token)
    assert facts[FILE] == {"names": ("c",), "size": 3, "title": "ä 'quoted'"}
    # Permify does not keep a false apart from an absent one.
    assert facts.get(FOLDER, {}).get("locked", False) is False
    assert OTHER not in facts


async def test_write_is_idempotent(authorizer: Authorizer) -> None:
    relationship = Relationship(FILE, "reader", ANNE)
    for _ in range(2):
        token = await authorizer.write([Attribute(FILE, "size", 3)], [relationship, relationship])
    assert await authorizer.read_relationships(RelationshipFilter("file", "reader", ("1.a",)), token) == [relationship]
    assert (await authorizer.read_attributes([FILE], token))[FILE] == {"size": 3}
    deleted = await authorizer.delete(RelationshipFilter("file", "reader", ("1.a",)))
    assert await authorizer.read_relationships(RelationshipFilter("file", "reader", ("1.a",)), deleted) == []
    again = await authorizer.write([], [relationship])
    assert await authorizer.read_relationships(RelationshipFilter("file", "reader", ("1.a",)), again) == [relationship]


@pytest.mark.parametrize(
    ("attributes", "relationships"),
    [
        ([Attribute(FILE, "names", "x")], []),
        ([Attribute(FILE, "size", True)], []),
        ([Attribute(FILE, "weight", 1)], []),
        ([Attribute(Entity("flie", "1"), "size", 1)], []),
        ([], [Relationship(FILE, "reader", FOLDER)]),
        ([], [Relationship(FILE, "writer", ANNE)]),
        ([Attribute(FILE, "size", 1)] * (WRITE_LIMIT + 1), []),
    ],
)
async def test_write_changes_nothing_when_one_item_is_wrong(
    authorizer: Authorizer, attributes: list[Attribute], relationships: list[Relationship]
) -> None:
    with pytest.raises(InvalidArgument):
        await authorizer.write(
            [Attribute(FILE, "names", ("x",)), *attributes], [Relationship(FILE, "reader", ANNE), *relationships]
        )
    head = await authorizer.head()
    assert await authorizer.read_attributes([FILE], head) == {}
    assert await authorizer.read_relationships(RelationshipFilter("file", "reader", ("1.a",)), head) == []


async def test_relationships_are_found_by_entity_and_by_subject(authorizer: Authorizer) -> None:
    wanted = [Relationship(FILE, "parent", FOLDER), Relationship(OTHER, "parent", FOLDER)]
    token = await authorizer.write(
        [], [*wanted, Relationship(FILE, "reader", ANNE), Relationship(OTHER, "reader", BERT)]
    )
    by_subject = await authorizer.read_relationships(RelationshipFilter("file", "parent", subject=FOLDER), token)
    assert sorted(by_subject) == wanted
    by_entity = await authorizer.read_relationships(RelationshipFilter("file", "reader", ("1.a", "1.c")), token)
    assert by_entity == [Relationship(FILE, "reader", ANNE)]


async def test_filter_without_entity_and_subject_is_refused(authorizer: Authorizer) -> None:
    query = RelationshipFilter("file", "reader")
    with pytest.raises(InvalidArgument):
        await authorizer.delete(query)
    with pytest.raises(InvalidArgument):
        await authorizer.read_relationships(query, await authorizer.head())


async def _walk(authorizer: Authorizer, limit: int) -> tuple[list[Attribute], list[Relationship]]:
    """All of the files, with a new token for each page."""
    attributes: list[Attribute] = []
    relationships: list[Relationship] = []
    after = ""
    while True:
        page = await authorizer.list_attributes("file", await authorizer.head(), after=after, limit=limit)
        assert len(page.items) <= limit
        attributes.extend(page.items)
        after = page.after
        if not after:
            break
    while True:
        read = await authorizer.list_relationships("file", "reader", await authorizer.head(), after=after, limit=limit)
        assert len(read.items) <= limit
        relationships.extend(read.items)
        after = read.after
        if not after:
            return attributes, relationships


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_list_gives_everything_of_a_type_page_by_page(authorizer: Authorizer, limit: int) -> None:
    attributes = [Attribute(FILE, "names", ("x",)), Attribute(FILE, "size", 3), Attribute(OTHER, "title", "t")]
    relationships = [
        Relationship(FILE, "reader", ANNE),
        Relationship(FILE, "reader", TEAM),
        Relationship(OTHER, "reader", BERT),
    ]
    replaced = Attribute(FILE, "size", 2)
    await authorizer.write([replaced, Attribute(FOLDER, "locked", True)], [Relationship(FILE, "parent", FOLDER)])
    gone = Relationship(OTHER, "reader", ANNE)
    await authorizer.write(attributes, [*relationships, gone])
    await authorizer.delete(RelationshipFilter("file", "reader", ("1.b",), ANNE))
    listed = await _walk(authorizer, limit)
    assert sorted(listed[0], key=repr) == sorted(attributes, key=repr)
    assert sorted(listed[1]) == sorted(relationships)


async def test_list_misses_nothing_that_is_replaced_while_it_is_walked(authorizer: Authorizer) -> None:
    entities = [Entity("file", f"{number}.a") for number in range(6)]
    await authorizer.write([Attribute(entity, "size", 1) for entity in entities])
    seen: set[Entity] = set()
    after, written = "", 0
    while True:
        page = await authorizer.list_attributes("file", await authorizer.head(), after=after, limit=2)
        seen.update(item.entity for item in page.items)
        after = page.after
        if not after:
            break
        if written < 3:
            written += 1
            await authorizer.write([Attribute(entities[-written], "size", 2), Attribute(entities[written], "size", 2)])
    assert seen == set(entities)


async def test_list_as_of_a_token_shows_what_was_there_then(authorizer: Authorizer) -> None:
    token = await authorizer.write([Attribute(FILE, "size", 1)], [Relationship(FILE, "reader", ANNE)])
    await authorizer.write([Attribute(FILE, "size", 2)])
    await authorizer.delete(RelationshipFilter("file", "reader", ("1.a",)))
    assert (await authorizer.list_attributes("file", token, limit=9)).items == (Attribute(FILE, "size", 1),)
    assert (await authorizer.list_relationships("file", "reader", token, limit=9)).items == (
        Relationship(FILE, "reader", ANNE),
    )
    assert (await authorizer.list_relationships("file", "reader", await authorizer.head(), limit=9)).items == ()


async def test_facts_and_tokens_survive_when_the_engine_is_opened_again(opener: Opener) -> None:
    async with opener() as first:
        old = await first.write([Attribute(FILE, "names", ("x",))])
        new = await first.write([Attribute(FILE, "names", ())])
    async with opener() as second:
        assert await second.check(FILE, "listed_here", ANNE, SURE, old) is True
        assert await second.check(FILE, "listed_here", ANNE, SURE, new) is False
        assert await second.check(FILE, "listed_here", ANNE, SURE, await second.head()) is False
        assert await second.write([Attribute(FILE, "size", 1)]) not in {old, new}


async def test_schema_has_one_version_for_one_text(authorizer: Authorizer) -> None:
    version = await authorizer.write_schema(SCHEMA)
    assert await authorizer.write_schema(SCHEMA) == version
    assert await authorizer.write_schema(SCHEMA + "entity shelf {}\n") != version


async def test_wrong_schema_is_refused_and_the_old_one_stays(authorizer: Authorizer) -> None:
    token = await authorizer.write([Attribute(FILE, "names", ("x",))])
    for wrong in ("entity file {", SCHEMA.replace("context.data.name in", "context.data.name inn")):
        with pytest.raises(InvalidArgument):
            await authorizer.write_schema(wrong)
    assert await authorizer.check(FILE, "listed_here", ANNE, SURE, token) is True


async def test_new_schema_decides_over_the_same_facts(authorizer: Authorizer) -> None:
    token = await authorizer.write([Attribute(FILE, "names", ("x",))])
    assert await authorizer.check(FILE, "listed_here", ANNE, SURE, token) is True
    await authorizer.write_schema(SCHEMA.replace("context.data.sure &&", "!context.data.sure &&"))
    assert await authorizer.check(FILE, "listed_here", ANNE, SURE, token) is False
