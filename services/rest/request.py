"""The request that handlers get: Litestar's, and who makes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from litestar import Request
from litestar.datastructures import Headers, State

from services.common.auth import InternalTokens
from services.common.clock import Clock
from services.common.errors import Unauthenticated
from services.common.rpc import Channel, Metadata, acting_as
from services.rest.authentication import Authenticator, Caller
from services.rest.config import Settings
from services.rest.headers import AUDIT_LOG_REASON, IDEMPOTENCY_KEY, parse_idempotency_key, parse_reason
from services.rest.services import AUTHZ, GATEWAY, MESSAGES, SERVERS, USERS, WEBHOOKS, Services

if TYPE_CHECKING:
    from services.rest.blobs.ports import Blobs
    from services.rest.files.pictures import Pictures
    from services.rest.files.uploads import Uploads

CALLER: Final = "beep.caller"
EDGE: Final = "edge"
_READS: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Edge:
    """What handlers work with; made once, in `__main__`."""

    settings: Settings
    peers: Mapping[str, Channel]
    services: Services
    authenticator: Authenticator
    tokens: InternalTokens
    clock: Clock
    blobs: "Blobs"
    uploads: "Uploads"
    pictures: "Pictures"


class ApiRequest(Request[None, None, State]):
    @cached_property
    def headers(self) -> Headers:
        """Litestar looks for them anew each time, and half a dozen places read one."""
        return super().headers

    @cached_property
    def edge(self) -> Edge:
        edge: Edge = self.app.state[EDGE]
        return edge

    @property
    def services(self) -> Services:
        return self.edge.services

    @property
    def caller(self) -> Caller:
        """Raises Unauthenticated on a route that is open to everybody, when nobody in particular calls it."""
        caller: Caller | None = self.scope.get(CALLER)  # type: ignore[assignment]  # Litestar names its own keys only
        if caller is None:
            raise Unauthenticated("UNAUTHENTICATED", "This needs a token.")
        return caller

    @property
    def to_users(self) -> Metadata:
        """The metadata of a call to `users` on the caller's behalf. Each service takes tokens meant for itself only."""
        return acting_as(self.edge.tokens, self.caller.principal, USERS)

    @property
    def to_authz(self) -> Metadata:
        return acting_as(self.edge.tokens, self.caller.principal, AUTHZ)

    @property
    def to_servers(self) -> Metadata:
        return acting_as(self.edge.tokens, self.caller.principal, SERVERS)

    @property
    def to_messages(self) -> Metadata:
        return acting_as(self.edge.tokens, self.caller.principal, MESSAGES)

    @property
    def to_webhooks(self) -> Metadata:
        return acting_as(self.edge.tokens, self.caller.principal, WEBHOOKS)

    @property
    def to_gateway(self) -> Metadata:
        return acting_as(self.edge.tokens, self.caller.principal, GATEWAY)

    def check_headers(self) -> None:
        """What no handler would look at is wrong all the same. Raises InvalidForm."""
        if self.method not in _READS:
            _ = self.reason, self.idempotency_key

    @property
    def reason(self) -> str:
        """For the audit log; empty: none given."""
        value = self.headers.get(AUDIT_LOG_REASON)
        return parse_reason(value) if value else ""

    @property
    def idempotency_key(self) -> str:
        value = self.headers.get(IDEMPOTENCY_KEY)
        return parse_idempotency_key(value) if value else ""
