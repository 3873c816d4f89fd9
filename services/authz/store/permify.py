"""Permify as the permission engine: the port in the words of its gRPC API (https://docs.permify.co/api-reference).

Beside what the calls need: the schema's version is in each of them, so that a new schema begins in one step; what a
rule reads is demanded here, because CEL's `&&` steps over a missing key; and neither a question without a snap token
nor an answer without one gets through, because to Permify an empty one means "the newest, or so".
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.struct_pb2 import Struct

from permify.base.v1 import permify_pb2 as pb
from permify.base.v1.permify_pb2_grpc import DataStub, PermissionStub, TenancyStub
from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter, Value
from services.authz.domain.schema import Schema, SchemaError, parse_schema
from services.authz.store.permify_calls import WRITE_SECONDS, PermifyCalls, PermifyRefuses, PermifyRefusesKey
from services.authz.store.permify_schema import PermifySchema
from services.authz.store.ports import Context, Page, Token
from services.authz.store.rules import Rules
from services.authz.store.vocabulary import Vocabulary, require_narrow
from services.common.clock import Clock
from services.common.errors import DeadlineExceeded, Internal, InvalidArgument, Unavailable

logger = logging.getLogger(__name__)

Rows = TypeVar("Rows")

PATIENCE_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.25
TENANTS_PER_PAGE: Final = 100
_TENANT_EXISTS: Final = "ERROR_CODE_UNIQUE_CONSTRAINT"
DEPTH: Final = 20
IDS_PER_CALL: Final = 500
ROWS_PER_PAGE: Final = 4_000
"""An entity of Beep has at most six attributes, so what one call asks for is nearly always one page."""

_KINDS: Final[Mapping[str, type[pb.BooleanValue | pb.StringValue | pb.IntegerValue | pb.StringArrayValue]]] = {
    kind.DESCRIPTOR.full_name: kind for kind in (pb.BooleanValue, pb.StringValue, pb.IntegerValue, pb.StringArrayValue)
}


class PermifyAuthorizer:
    """The adapter of `Authorizer` for a Permify on PostgreSQL. (Its memory engine ignores snap tokens.)"""

    def __init__(self, calls: PermifyCalls, tenant: str) -> None:
        self._calls = calls
        self._tenant = tenant
        self._checks = PermissionStub(calls.channel)
        self._data = DataStub(calls.channel)
        self._tenancy = TenancyStub(calls.channel)
        self._schemas = PermifySchema(calls, tenant)
        self._version = ""
        self._vocabulary = Vocabulary(Schema({}, {}))

    @classmethod
    async def open(
        cls,
        address: str,
        tenant: str,
        key: str,
        clock: Clock,
        patience: float = PATIENCE_SECONDS,
        *,
        installation: str = "",
    ) -> "PermifyAuthorizer":
        """Connect. Nothing can be asked before `write_schema`.

        Args:
            installation: whose tenant it is; empty: it does not matter.

        Raises:
            Unavailable: it did not answer for `patience` seconds (it may be started at the same time as Beep), it
                refuses the key, or the tenant is that of another installation.
            Internal: what answers is no Permify.
        """
        calls = PermifyCalls(address, key, clock)
        try:
            authorizer = cls(calls, tenant)
            await authorizer._create_tenant(address, clock, patience, installation)
        except BaseException:
            await calls.close()
            raise
        return authorizer

    async def close(self) -> None:
        await self._calls.close()

    @property
    def calls(self) -> PermifyCalls:
        """The connection, which counts its calls."""
        return self._calls

    async def write_schema(self, schema: str) -> str:
        try:
            parsed = parse_schema(schema)
            Rules(parsed)  # both engines refuse the same texts
        except SchemaError as error:
            raise InvalidArgument("INVALID_SCHEMA", str(error)) from None
        version = await self._schemas.publish(schema)
        self._version, self._vocabulary = version, Vocabulary(parsed)
        return version

    async def check(self, entity: Entity, permission: str, subject: Entity, context: Context, token: Token) -> bool:
        for key in self._vocabulary.context_keys(entity.type, permission):
            if key not in context:
                raise Internal("CONTEXT_INCOMPLETE", f"{entity.type}.{permission} needs context.data.{key}.")
        data = Struct()
        data.update(context)
        answer = await self._calls(
            self._checks.Check,
            pb.PermissionCheckRequest(
                tenant_id=self._tenant,
                metadata=pb.PermissionCheckRequestMetadata(
                    schema_version=self._version, snap_token=_required(token), depth=DEPTH
                ),
                entity=_entity(entity),
                permission=permission,
                subject=pb.Subject(type=subject.type, id=subject.id),
                context=pb.Context(data=data),
            ),
        )
        if answer.can == pb.CHECK_RESULT_ALLOWED:
            return True
        if answer.can == pb.CHECK_RESULT_DENIED:
            return False
        raise Internal("PERMIFY_REFUSED", f"Permify answered neither yes nor no: {answer.can}.")

    async def read_attributes(self, entities: Sequence[Entity], token: Token) -> Mapping[Entity, Mapping[str, Value]]:
        ids: dict[str, list[str]] = {}
        for entity in dict.fromkeys(entities):
            ids.setdefault(entity.type, []).append(entity.id)
        filters = [
            pb.EntityFilter(type=entity_type, ids=some)
            for entity_type, entity_ids in ids.items()
            for some in _chunks(entity_ids)
        ]
        found: dict[Entity, dict[str, Value]] = {}
        for rows in await _all(self._read_attributes(entity_filter, token) for entity_filter in filters):
            for row in rows:
                found.setdefault(Entity(row.entity.type, row.entity.id), {})[row.attribute] = _decode(row.value)
        return found

    async def read_relationships(self, query: RelationshipFilter, token: Token) -> Sequence[Relationship]:
        require_narrow(query)
        pages = (
            self._read_relationships(query._replace(entity_ids=some), token)
            for some in (map(tuple, _chunks(query.entity_ids)) if query.entity_ids else [()])
        )
        return [_relationship(row) for rows in await _all(pages) for row in rows]

    async def list_attributes(self, entity_type: str, token: Token, *, after: str = "", limit: int) -> Page[Attribute]:
        # By the number of the row: what is replaced gets a higher one, so that a walk comes by it later.
        request = pb.AttributeReadRequest(
            tenant_id=self._tenant,
            metadata=pb.AttributeReadRequestMetadata(snap_token=_required(token)),
            filter=pb.AttributeFilter(entity=pb.EntityFilter(type=entity_type)),
            page_size=limit,
            continuous_token=after,
        )
        page = await self._calls(self._data.ReadAttributes, request)
        return Page(tuple(map(_attribute, page.attributes)), page.continuous_token)

    async def list_relationships(
        self, entity_type: str, relation: str, token: Token, *, after: str = "", limit: int
    ) -> Page[Relationship]:
        request = pb.RelationshipReadRequest(
            tenant_id=self._tenant,
            metadata=pb.RelationshipReadRequestMetadata(snap_token=_required(token)),
            filter=pb.TupleFilter(entity=pb.EntityFilter(type=entity_type), relation=relation),
            page_size=limit,
            continuous_token=after,
        )
        page = await self._calls(self._data.ReadRelationships, request)
        return Page(tuple(map(_relationship, page.tuples)), page.continuous_token)

    async def write(self, attributes: Sequence[Attribute], relationships: Sequence[Relationship] = ()) -> Token:
        self._vocabulary.check_write(attributes, relationships)
        # Of the same attribute twice the later one counts; to Permify it would be the first.
        last = {(item.entity, item.name): item.value for item in attributes}
        request = pb.DataWriteRequest(
            tenant_id=self._tenant,
            metadata=pb.DataWriteRequestMetadata(schema_version=self._version),
            tuples=[
                pb.Tuple(
                    entity=_entity(item.entity),
                    relation=item.relation,
                    subject=pb.Subject(
                        type=item.subject.type, id=item.subject.id, relation=self._vocabulary.subject_relation(item)
                    ),
                )
                for item in relationships
            ],
            attributes=[
                pb.Attribute(entity=_entity(entity), attribute=name, value=_encode(value))
                for (entity, name), value in last.items()
            ],
        )
        return _required((await self._calls(self._data.Write, request, WRITE_SECONDS)).snap_token)

    async def delete(self, query: RelationshipFilter) -> Token:
        request = pb.DataDeleteRequest(
            tenant_id=self._tenant, tuple_filter=_filter(query), attribute_filter=pb.AttributeFilter()
        )
        return _required((await self._calls(self._data.Delete, request, WRITE_SECONDS)).snap_token)

    async def head(self) -> Token:
        # An empty write: only a token of a transaction that began afterwards sees all that has returned.
        return await self.write([])

    async def probe(self) -> str:
        """Ask what cannot be answered without the database, which Permify's own health checks do not.

        Returns:
            What there is, for a person.

        Raises:
            BeepError: it does not answer, or not Beep.
        """
        versions = await self._schemas.versions()
        if not versions:
            return "answers; its schema is written at the first start"
        request = pb.PermissionCheckRequest(
            tenant_id=self._tenant,
            metadata=pb.PermissionCheckRequestMetadata(schema_version=versions[0], depth=DEPTH),
            entity=pb.Entity(type="server", id="0"),
            permission="is_frozen",
            subject=pb.Subject(type="user", id="0"),
        )
        await self._calls(self._checks.Check, request)
        return "answers a check"

    async def _create_tenant(self, address: str, clock: Clock, patience: float, installation: str) -> None:
        """Make the tenant if there is none. (Facts need none, but only a tenant's replaced facts are ever purged.)

        Its name says whose it is: two installations in one would each take the other's facts for drift.
        """
        request = pb.TenantCreateRequest(id=self._tenant, name=installation or self._tenant)
        until, waiting = clock.monotonic() + patience, False
        while True:
            try:
                await self._calls(self._tenancy.Create, request, expected=_TENANT_EXISTS)
            except PermifyRefusesKey:
                message = f"Permify at {address} refuses the key of BEEP_PERMIFY_KEY; it takes its preshared keys"
                raise Unavailable("PERMIFY_KEY_REFUSED", message) from None
            except (Unavailable, DeadlineExceeded):
                if clock.monotonic() >= until:
                    raise Unavailable(
                        "PERMIFY_UNAVAILABLE",
                        f"Permify does not answer at {address}. Start it and its database, or correct BEEP_AUTHORIZER",
                    ) from None
                if not waiting:
                    logger.warning("permify_awaited", extra={"address": address})
                waiting = True
                await clock.sleep(PAUSE_SECONDS)
            except PermifyRefuses as refusal:
                if refusal.details == _TENANT_EXISTS:
                    if installation and await self._tenant_name() != installation:
                        raise Unavailable(
                            "TENANT_TAKEN",
                            f"Tenant {self._tenant} of the Permify at {address} belongs to another Beep. Choose one of "
                            "your own: BEEP_AUTHORIZER=permify://HOST:PORT/TENANT",
                        ) from None
                    return
                raise Internal("PERMIFY_REFUSED", f"What answers at {address} is no Permify 1.7") from None
            else:
                return

    async def _tenant_name(self) -> str:
        request = pb.TenantListRequest(page_size=TENANTS_PER_PAGE)
        while True:
            page = await self._calls(self._tenancy.List, request)
            for tenant in page.tenants:
                if tenant.id == self._tenant:
                    return tenant.name
            if not page.continuous_token:
                return ""
            request.continuous_token = page.continuous_token

    async def _read_attributes(self, entities: pb.EntityFilter, token: Token) -> list[pb.Attribute]:
        request = pb.AttributeReadRequest(
            tenant_id=self._tenant,
            metadata=pb.AttributeReadRequestMetadata(snap_token=_required(token)),
            filter=pb.AttributeFilter(entity=entities),
            page_size=ROWS_PER_PAGE,
        )
        rows: list[pb.Attribute] = []
        while True:
            page = await self._calls(self._data.ReadAttributes, request)
            rows.extend(page.attributes)
            if not page.continuous_token:
                return rows
            request.continuous_token = page.continuous_token

    async def _read_relationships(self, query: RelationshipFilter, token: Token) -> list[pb.Tuple]:
        request = pb.RelationshipReadRequest(
            tenant_id=self._tenant,
            metadata=pb.RelationshipReadRequestMetadata(snap_token=_required(token)),
            filter=_filter(query),
            page_size=ROWS_PER_PAGE,
        )
        rows: list[pb.Tuple] = []
        while True:
            page = await self._calls(self._data.ReadRelationships, request)
            rows.extend(page.tuples)
            if not page.continuous_token:
                return rows
            request.continuous_token = page.continuous_token


async def _all(calls: Iterable[Coroutine[Any, Any, Rows]]) -> list[Rows]:
    """The answers of all, asked at once. When some fail, the others are over before the first failure is raised."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    rows: list[Rows] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        rows.append(answer)
    return rows


def _chunks(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + IDS_PER_CALL] for start in range(0, len(ids), IDS_PER_CALL)]


def _attribute(row: pb.Attribute) -> Attribute:
    return Attribute(Entity(row.entity.type, row.entity.id), row.attribute, _decode(row.value))


def _relationship(row: pb.Tuple) -> Relationship:
    return Relationship(Entity(row.entity.type, row.entity.id), row.relation, Entity(row.subject.type, row.subject.id))


def _entity(entity: Entity) -> pb.Entity:
    return pb.Entity(type=entity.type, id=entity.id)


def _filter(query: RelationshipFilter) -> pb.TupleFilter:
    require_narrow(query)
    wanted = pb.TupleFilter(
        entity=pb.EntityFilter(type=query.entity_type, ids=query.entity_ids), relation=query.relation
    )
    if query.subject is not None:
        wanted.subject.CopyFrom(pb.SubjectFilter(type=query.subject.type, ids=[query.subject.id]))
    return wanted


def _encode(value: Value) -> AnyMessage:
    packed = AnyMessage()
    match value:
        case bool():  # before int, which a bool is as well
            packed.Pack(pb.BooleanValue(data=value))
        case int():
            packed.Pack(pb.IntegerValue(data=value))
        case str():
            packed.Pack(pb.StringValue(data=value))
        case tuple():
            packed.Pack(pb.StringArrayValue(data=value))
    return packed


def _decode(packed: AnyMessage) -> Value:
    name = packed.TypeName()
    kind = _KINDS.get(name)
    if kind is None:
        raise Internal("PERMIFY_REFUSED", f"Permify keeps an attribute of type {name}, which Beep never writes.")
    data = kind.FromString(packed.value).data
    return data if isinstance(data, bool | int | str) else tuple(data)


def _required(token: Token) -> Token:
    if not token:
        raise Internal("PERMIFY_REFUSED", "There is no snap token, which Permify takes for the newest.")
    return token
