"""The Litestar application: every route, and what surrounds each."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from litestar import Litestar, MediaType, Response, Router, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from services.common import limits
from services.rest import openapi
from services.rest.admission import OPEN, Admission
from services.rest.exceptions import handlers
from services.rest.json_response import JsonResponse
from services.rest.refusals import noting_refusals
from services.rest.request import EDGE, ApiRequest, Edge
from services.rest.routes import (
    account,
    applications,
    audit_log,
    auth,
    bans,
    bots,
    channels,
    directory,
    explanations,
    files,
    gateway,
    health,
    invitations,
    invites,
    members,
    messages,
    overwrites,
    pictures,
    pins,
    private_channels,
    reactions,
    read_states,
    relationships,
    roles,
    search,
    servers,
    threads,
    typing,
    users,
    web,
    webhooks,
)

DISCORD: Sequence[HTTPRouteHandler] = [
    *applications.ROUTES,
    *audit_log.ROUTES,
    *bans.ROUTES,
    *channels.ROUTES,
    *gateway.ROUTES,
    *invites.ROUTES,
    *members.ROUTES,
    *messages.ROUTES,
    *overwrites.ROUTES,
    *pins.ROUTES,
    *private_channels.ROUTES,
    *reactions.ROUTES,
    *read_states.ROUTES,
    *relationships.ROUTES,
    *roles.ROUTES,
    *search.ROUTES,
    *servers.ROUTES,
    *threads.ROUTES,
    *typing.ROUTES,
    *users.ROUTES,
    *webhooks.ROUTES,
]
BEEP: Sequence[HTTPRouteHandler] = [
    *account.ROUTES,
    *auth.ROUTES,
    *bots.ROUTES,
    *directory.ROUTES,
    *explanations.ROUTES,
    *invitations.ROUTES,
]
FILES: Sequence[HTTPRouteHandler] = [*files.ROUTES, *pictures.ROUTES]
UNVERSIONED: Sequence[HTTPRouteHandler] = [*health.ROUTES, *web.ROUTES]

DISCORD_PREFIX: Final = "/api/v10"
BEEP_PREFIX: Final = "/api/beep/v1"
DESCRIBED: Final[Mapping[str, Sequence[HTTPRouteHandler]]] = {DISCORD_PREFIX: DISCORD, BEEP_PREFIX: BEEP, "": FILES}
"""What the OpenAPI document describes, by its prefix."""


def create_app(edge: Edge, admission: Admission) -> Litestar:
    async def admit(request: Any) -> None:  # An ApiRequest, says `request_class`.
        await admission.admit(request)
        request.check_headers()

    return Litestar(
        [
            Router(DISCORD_PREFIX, route_handlers=DISCORD),
            Router(BEEP_PREFIX, route_handlers=[*BEEP, get_openapi]),
            *FILES,
            *UNVERSIONED,
        ],
        request_class=ApiRequest,
        response_class=JsonResponse,
        before_request=admit,
        after_exception=[noting_refusals(edge)],
        exception_handlers=handlers(admission),
        request_max_body_size=limits.REQUEST_BODY_BYTES,
        state=State({EDGE: edge}),
        # Ours knows more: `openapi`.
        openapi_config=None,
        # The process around this configures logging.
        logging_config=None,
    )


@get("/openapi.json", opt={OPEN: True})
async def get_openapi() -> Response[bytes]:
    """This document."""
    return Response(_document(), media_type=MediaType.JSON)


@cache
def _document() -> bytes:
    return openapi.document(DESCRIBED)
