"""Builds authz: the only place that does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from secrets import token_hex

from beep.authz.v1.authz_service_pb2_grpc import add_AuthzServiceServicer_to_server
from services.authz.answers import Answers
from services.authz.audience import Audiences
from services.authz.config import DATABASE, DEFAULTS, Settings
from services.authz.decisions import Decisions
from services.authz.epochs import Epochs
from services.authz.lane import Lane
from services.authz.pinning import Pinning
from services.authz.service import AuthzService
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.waves import Waves
from services.common.runtime import Runtime


@asynccontextmanager
async def build(runtime: Runtime, settings: Settings = DEFAULTS) -> AsyncIterator[None]:
    """Serve decisions at the runtime's server for as long as the context is open."""
    async with AsyncExitStack() as stack:
        authorizer = await EmbeddedAuthorizer.open(runtime.data / DATABASE)
        stack.push_async_callback(authorizer.close)
        await authorizer.write_schema(settings.schema.read_text())
        epochs = Epochs(await authorizer.head())
        lane = Lane(authorizer, epochs)
        lane.start()
        stack.push_async_callback(lane.close)
        answers = Answers(settings.answers_kept)
        pinning = Pinning(authorizer, epochs, answers)
        waves = Waves(authorizer, pinning, answers)
        service = AuthzService(Decisions(pinning, waves), Audiences(pinning, waves), lane, partial(token_hex, 8))
        runtime.server.add(add_AuthzServiceServicer_to_server, service)
        runtime.server.set_serving(True)
        stack.callback(runtime.server.set_serving, False)
        yield
