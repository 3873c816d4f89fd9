"""The permission engine inside the process: facts in SQLite, permissions and rules from the schema's own text.

Every row is valid from the revision that wrote it until the one that replaced it; a snap token is a revision. So a
token means exactly one state, as with Permify on PostgreSQL, and a freshness defect in the code above shows here as
well.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from services.authz.answers import Answers
from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter, Value
from services.authz.domain.schema import (
    Combination,
    Expression,
    Reference,
    RuleCall,
    Schema,
    SchemaError,
    Traversal,
    parse_schema,
)
from services.authz.store.kept import VALUES_KEPT, size_of
from services.authz.store.ports import Context, Page, Token
from services.authz.store.rules import Rules
from services.authz.store.vocabulary import Vocabulary, require_narrow
from services.common.errors import Internal, InvalidArgument
from services.common.sqlite import Database

NEVER: Final = (1 << 63) - 1
"""`until` of a row that nothing has replaced."""

REVISIONS_KEPT: Final = 20_000
"""Replaced rows are purged this many revisions later. Each revision is a synced commit, so that is many times the
deadline of any decision that could still read them."""

PURGE_EVERY: Final = 1_000
MAX_DEPTH: Final = 20

MIGRATIONS: Final = (
    f"""
    CREATE TABLE revision (singleton INTEGER PRIMARY KEY CHECK (singleton = 0), newest INTEGER NOT NULL);
    INSERT INTO revision VALUES (0, 1);
    CREATE TABLE attributes (
        entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
        since INTEGER NOT NULL, until INTEGER NOT NULL,
        PRIMARY KEY (entity_type, entity_id, name, since)
    ) WITHOUT ROWID;
    CREATE INDEX replaced_attributes ON attributes (until) WHERE until < {NEVER};
    CREATE TABLE relationships (
        entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, relation TEXT NOT NULL,
        subject_type TEXT NOT NULL, subject_id TEXT NOT NULL,
        since INTEGER NOT NULL, until INTEGER NOT NULL,
        PRIMARY KEY (entity_type, entity_id, relation, subject_type, subject_id, since)
    ) WITHOUT ROWID;
    CREATE INDEX relationships_by_subject ON relationships (subject_type, subject_id, relation);
    CREATE INDEX replaced_relationships ON relationships (until) WHERE until < {NEVER};
    """,
)


@dataclass(slots=True)
class _EntityFacts:
    attributes: dict[str, Value] = field(default_factory=dict)
    subjects: dict[str, set[Entity]] = field(default_factory=dict)


_Group = dict[str, _EntityFacts]
_NOTHING: Final = _EntityFacts()


class EmbeddedAuthorizer:
    """The adapter of `Authorizer` for one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._schema = Schema({}, {})
        self._rules = Rules(self._schema)
        self._vocabulary = Vocabulary(self._schema)
        # Immutable, because a token means one state for ever: nothing here is ever invalidated.
        self._groups = Answers(VALUES_KEPT, _size_of_group)

    @classmethod
    async def open(cls, path: Path) -> "EmbeddedAuthorizer":
        """Open or create the database. Nothing can be asked before `write_schema`."""
        return cls(await Database.open(path, migrations=MIGRATIONS))

    async def close(self) -> None:
        await self._database.close()

    async def write_schema(self, schema: str) -> str:
        try:
            parsed = parse_schema(schema)
            rules = Rules(parsed)
        except SchemaError as error:
            raise InvalidArgument("INVALID_SCHEMA", str(error)) from None
        self._schema, self._rules, self._vocabulary = parsed, rules, Vocabulary(parsed)
        return sha256(schema.encode()).hexdigest()

    async def check(self, entity: Entity, permission: str, subject: Entity, context: Context, token: Token) -> bool:
        return await self._permitted(entity, permission, subject, context, token, MAX_DEPTH)

    async def read_attributes(self, entities: Sequence[Entity], token: Token) -> Mapping[Entity, Mapping[str, Value]]:
        revision = int(token)
        return await self._database.read(lambda connection: _read_attributes(connection, entities, revision))

    async def read_relationships(self, query: RelationshipFilter, token: Token) -> Sequence[Relationship]:
        where, values = _where(query)
        revision = int(token)

        def read(connection: sqlite3.Connection) -> list[Relationship]:
            rows = connection.execute(
                "SELECT entity_type, entity_id, relation, subject_type, subject_id FROM relationships"
                f" WHERE {where} AND since <= ? AND until > ?",
                (*values, revision, revision),
            )
            return [Relationship(Entity(row[0], row[1]), row[2], Entity(row[3], row[4])) for row in rows]

        return await self._database.read(read)

    async def list_attributes(self, entity_type: str, token: Token, *, after: str = "", limit: int) -> Page[Attribute]:
        last, revision = json.loads(after) if after else ["", ""], int(token)

        def read(connection: sqlite3.Connection) -> Page[Attribute]:
            rows = connection.execute(
                "SELECT entity_id, name, value FROM attributes WHERE entity_type = ? AND (entity_id, name) > (?, ?)"
                " AND since <= ? AND until > ? ORDER BY entity_id, name LIMIT ?",
                (entity_type, *last, revision, revision, limit),
            ).fetchall()
            items = tuple(Attribute(Entity(entity_type, row[0]), row[1], _decode(row[2])) for row in rows)
            return Page(items, json.dumps(rows[-1][:2]) if len(rows) == limit else "")

        return await self._database.read(read)

    async def list_relationships(
        self, entity_type: str, relation: str, token: Token, *, after: str = "", limit: int
    ) -> Page[Relationship]:
        last, revision = json.loads(after) if after else ["", "", ""], int(token)

        def read(connection: sqlite3.Connection) -> Page[Relationship]:
            rows = connection.execute(
                "SELECT entity_id, subject_type, subject_id FROM relationships WHERE entity_type = ? AND relation = ?"
                " AND (entity_id, subject_type, subject_id) > (?, ?, ?) AND since <= ? AND until > ?"
                " ORDER BY entity_id, subject_type, subject_id LIMIT ?",
                (entity_type, relation, *last, revision, revision, limit),
            ).fetchall()
            items = tuple(Relationship(Entity(entity_type, row[0]), relation, Entity(row[1], row[2])) for row in rows)
            return Page(items, json.dumps(rows[-1]) if len(rows) == limit else "")

        return await self._database.read(read)

    async def write(self, attributes: Sequence[Attribute], relationships: Sequence[Relationship] = ()) -> Token:
        self._vocabulary.check_write(attributes, relationships)

        def write(connection: sqlite3.Connection) -> Token:
            revision = _next_revision(connection)
            connection.executemany(
                "UPDATE attributes SET until = ? WHERE entity_type = ? AND entity_id = ? AND name = ? AND until = ?",
                [(revision, *item.entity, item.name, NEVER) for item in attributes],
            )
            # The same attribute twice in one write: the later one counts.
            connection.executemany(
                "INSERT OR REPLACE INTO attributes VALUES (?, ?, ?, ?, ?, ?)",
                [(*item.entity, item.name, json.dumps(item.value), revision, NEVER) for item in attributes],
            )
            connection.executemany(
                "INSERT INTO relationships SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS ("
                " SELECT 1 FROM relationships WHERE entity_type = ?1 AND entity_id = ?2 AND relation = ?3"
                " AND subject_type = ?4 AND subject_id = ?5 AND until = ?7)",
                [(*item.entity, item.relation, *item.subject, revision, NEVER) for item in relationships],
            )
            return str(revision)

        return await self._database.write(write)

    async def delete(self, query: RelationshipFilter) -> Token:
        where, values = _where(query)

        def delete(connection: sqlite3.Connection) -> Token:
            revision = _next_revision(connection)
            connection.execute(
                f"UPDATE relationships SET until = ? WHERE {where} AND until = ?", (revision, *values, NEVER)
            )
            return str(revision)

        return await self._database.write(delete)

    async def head(self) -> Token:
        return await self._database.read(
            lambda connection: str(connection.execute("SELECT newest FROM revision").fetchone()[0])
        )

    async def _permitted(
        self, entity: Entity, name: str, subject: Entity, context: Context, token: Token, depth: int
    ) -> bool:
        """Whether `name` (a permission, a relation or a boolean attribute of the entity) holds for the subject."""
        if depth == 0:
            raise Internal("DEPTH_EXCEEDED", f"{entity.type}.{name} is nested too deep.")
        try:
            definition = self._schema.entities[entity.type]
        except KeyError:
            raise Internal("UNKNOWN_PERMISSION", f"The schema has no entity {entity.type}.") from None
        expression = definition.permissions.get(name)
        if expression is not None:
            return await self._evaluate(entity, expression, subject, context, token, depth - 1)
        facts = await self._facts(entity, token)
        if name in definition.attributes:
            return facts.attributes.get(name) is True
        if name not in definition.relations:
            raise Internal("UNKNOWN_PERMISSION", f"The schema has no {entity.type}.{name}.")
        subjects = facts.subjects.get(name, ())
        if subject in subjects:
            return True
        for kind in definition.relations[name]:
            for other in subjects if kind.relation else ():
                if other.type == kind.type and await self._permitted(
                    other, kind.relation, subject, context, token, depth - 1
                ):
                    return True
        return False

    async def _evaluate(
        self, entity: Entity, expression: Expression, subject: Entity, context: Context, token: Token, depth: int
    ) -> bool:
        match expression:
            case RuleCall(rule):
                return self._rules.evaluate(rule, (await self._facts(entity, token)).attributes, context)
            case Reference(name):
                return await self._permitted(entity, name, subject, context, token, depth)
            case Traversal(relation, name):
                for other in (await self._facts(entity, token)).subjects.get(relation, ()):
                    if await self._permitted(other, name, subject, context, token, depth):
                        return True
                return False
            case Combination(operator, left, right):
                first = await self._evaluate(entity, left, subject, context, token, depth)
                if first is (operator == "or"):
                    return first
                second = await self._evaluate(entity, right, subject, context, token, depth)
                return not second if operator == "not" else second

    async def _facts(self, entity: Entity, token: Token) -> _EntityFacts:
        """All facts of an entity. Those with ids GROUP.NAME are read a group at a time: a mask asks for all of them."""
        group = entity.id.partition(".")[0]
        found: _Group | None = self._groups.get((entity.type, group, token))
        if found is None:
            found = await self._database.read(lambda connection: _read_group(connection, entity, int(token)))
            self._groups.put((entity.type, group, token), found)
        return found.get(entity.id, _NOTHING)


def _size_of_group(_: object, group: _Group) -> int:
    return size_of(()) + sum(
        size_of(facts.attributes.values()) + sum(map(len, facts.subjects.values())) for facts in group.values()
    )


def _where(query: RelationshipFilter) -> tuple[str, tuple[str, ...]]:
    """The filter as SQL."""
    require_narrow(query)
    conditions = ["entity_type = ?", "relation = ?"]
    values = [query.entity_type, query.relation]
    if query.entity_ids:
        conditions.append("entity_id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(query.entity_ids))
    if query.subject is not None:
        conditions.append("subject_type = ? AND subject_id = ?")
        values.extend(query.subject)
    return " AND ".join(conditions), tuple(values)


def _next_revision(connection: sqlite3.Connection) -> int:
    revision = int(connection.execute("UPDATE revision SET newest = newest + 1 RETURNING newest").fetchone()[0])
    if revision % PURGE_EVERY == 0:
        for table in ("attributes", "relationships"):
            connection.execute(
                f"DELETE FROM {table} WHERE until <= ? AND until < {NEVER}", (revision - REVISIONS_KEPT,)
            )
    return revision


def _read_attributes(
    connection: sqlite3.Connection, entities: Iterable[Entity], revision: int
) -> dict[Entity, dict[str, Value]]:
    ids: dict[str, list[str]] = {}
    for entity in entities:
        ids.setdefault(entity.type, []).append(entity.id)
    found: dict[Entity, dict[str, Value]] = {}
    for entity_type, entity_ids in ids.items():
        rows = connection.execute(
            "SELECT entity_id, name, value FROM attributes WHERE entity_type = ?"
            " AND entity_id IN (SELECT value FROM json_each(?)) AND since <= ? AND until > ?",
            (entity_type, json.dumps(entity_ids), revision, revision),
        )
        for entity_id, name, value in rows:
            found.setdefault(Entity(entity_type, entity_id), {})[name] = _decode(value)
    return found


def _read_group(connection: sqlite3.Connection, entity: Entity, revision: int) -> _Group:
    group, dot, _ = entity.id.partition(".")
    # "/" follows "." in ASCII, so this range is every id that begins with "GROUP.".
    first, last = (f"{group}.", f"{group}/") if dot else (group, f"{group}\0")
    values = (entity.type, first, last, revision, revision)
    found: _Group = {}
    for entity_id, name, value in connection.execute(
        "SELECT entity_id, name, value FROM attributes"
        " WHERE entity_type = ? AND entity_id >= ? AND entity_id < ? AND since <= ? AND until > ?",
        values,
    ):
        found.setdefault(entity_id, _EntityFacts()).attributes[name] = _decode(value)
    for entity_id, relation, subject_type, subject_id in connection.execute(
        "SELECT entity_id, relation, subject_type, subject_id FROM relationships"
        " WHERE entity_type = ? AND entity_id >= ? AND entity_id < ? AND since <= ? AND until > ?",
        values,
    ):
        subjects = found.setdefault(entity_id, _EntityFacts()).subjects
        subjects.setdefault(relation, set()).add(Entity(subject_type, subject_id))
    return found


def _decode(text: str) -> Value:
    value: bool | int | str | list[str] = json.loads(text)
    return tuple(value) if isinstance(value, list) else value
