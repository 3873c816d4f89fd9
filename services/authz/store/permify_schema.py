"""Which of Permify's schema versions is this text? Permify gives a new one to each write, also of the same text.

So the text is marked: an entity without contents is added, whose name is its hash. The mark is kept where the schema
is, every process finds it, and two that start at once and write both have two versions of one text, which is the same
to everybody.
"""

from hashlib import sha256
from typing import Final

from permify.base.v1 import permify_pb2 as pb
from permify.base.v1.permify_pb2_grpc import SchemaStub
from services.authz.store.permify_calls import WRITE_SECONDS, PermifyCalls, PermifyRefuses
from services.common.errors import InvalidArgument

LOOK_BACK: Final = 100
"""Versions that are looked through, the newest first. An older one is written anew."""

_NO_SCHEMA: Final = "ERROR_CODE_SCHEMA_NOT_FOUND"
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
"""Names in a schema have no digits."""


class PermifySchema:
    def __init__(self, calls: PermifyCalls, tenant: str) -> None:
        self._calls = calls
        self._stub = SchemaStub(calls.channel)
        self._tenant = tenant

    async def publish(self, text: str) -> str:
        """The version of the text: the newest one that has it, or else a new one.

        Raises:
            InvalidArgument: Permify does not take the text.
        """
        mark = f"text_{sha256(text.encode()).hexdigest()[:48].translate(_LETTERS)}"
        for version in await self.versions():
            if mark in await self._names(version):
                return version
        request = pb.SchemaWriteRequest(tenant_id=self._tenant, schema=f"{text}\nentity {mark} {{}}\n")
        try:
            answer = await self._calls(self._stub.Write, request, WRITE_SECONDS)
        except PermifyRefuses as refusal:
            raise InvalidArgument("INVALID_SCHEMA", refusal.message) from None
        return answer.schema_version

    async def versions(self) -> list[str]:
        """The newest versions of the tenant, at most `LOOK_BACK`, the newest first."""
        try:
            answer = await self._calls(
                self._stub.List,
                pb.SchemaListRequest(tenant_id=self._tenant, page_size=LOOK_BACK),
                expected=_NO_SCHEMA,
            )
        except PermifyRefuses as refusal:
            if refusal.details != _NO_SCHEMA:
                raise
            return []
        return [schema.version for schema in answer.schemas]

    async def _names(self, version: str) -> frozenset[str]:
        """What an old schema defines; nothing, if this Permify cannot read it any more."""
        request = pb.SchemaReadRequest(
            tenant_id=self._tenant, metadata=pb.SchemaReadRequestMetadata(schema_version=version)
        )
        try:
            answer = await self._calls(self._stub.Read, request)
        except PermifyRefuses:
            return frozenset()
        return frozenset(answer.schema.references)
