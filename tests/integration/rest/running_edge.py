"""The whole edge in front of a scripted upstream, without a socket."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx

from services.common.auth import InternalTokens, load_or_create_key
from services.common.bus.sqlite import SqliteBus
from services.common.snowflake import SnowflakeGenerator
from services.common.sqlite import Database
from services.rest.admission import Admission
from services.rest.app import create_app
from services.rest.authentication import Authenticator
from services.rest.blobs.directory import DirectoryBlobs
from services.rest.config import DATABASE, FILES, RateLimits, Settings
from services.rest.files.pending import MIGRATIONS, PendingUploads
from services.rest.files.pictures import Pictures
from services.rest.files.uploads import Uploads
from services.rest.front import Front
from services.rest.request import Edge
from services.rest.services import Services
from tests.integration.rest.upstream import Upstream
from tests.support.clock import ManualClock

PERSON = 175928847299117063
BOT = 175928847299117064
PERSON_TOKEN = "person-token"
BOT_TOKEN = "bot-token"
GATEWAY_URL = "ws://gateway.example"
PUBLIC_URL = "https://chat.example"


@dataclass(frozen=True)
class RunningEdge:
    """`person` and `bot` are signed in; `anonymous` is nobody."""

    upstream: Upstream
    authenticator: Authenticator
    bus: SqliteBus
    clock: ManualClock
    front: Front
    blobs: DirectoryBlobs
    pending: PendingUploads
    uploads: Uploads
    # Where the blobs are.
    files: Path
    anonymous: httpx.AsyncClient
    person: httpx.AsyncClient
    bot: httpx.AsyncClient


@asynccontextmanager
async def running_edge(tmp_path: Path, limits: RateLimits | None = None) -> AsyncIterator[RunningEdge]:
    clock = ManualClock()
    tokens = InternalTokens(load_or_create_key(tmp_path / "internal.pem"), clock)
    upstream = Upstream(tokens)
    upstream.add_user(PERSON, PERSON_TOKEN)
    upstream.add_user(BOT, BOT_TOKEN, bot=True)
    async with AsyncExitStack() as stack:
        bus = await SqliteBus.open(tmp_path / "bus.db", clock)
        stack.push_async_callback(bus.close)
        peers = upstream.channels()
        services = Services.from_peers(peers)
        authenticator = Authenticator(services.tokens, bus, clock)
        settings = Settings(gateway_url=GATEWAY_URL, rate_limits=limits, public_url=PUBLIC_URL)
        blobs = await DirectoryBlobs.open(tmp_path / FILES, reserved=0)
        stack.push_async_callback(blobs.close)
        database = await Database.open(tmp_path / DATABASE, MIGRATIONS)
        stack.push_async_callback(database.close)
        tokens_of_files = (f"{number:032x}" for number in count(1))
        pending = PendingUploads(database)
        uploads = Uploads(blobs, pending, services, SnowflakeGenerator(1, clock), clock, tokens_of_files.__next__)
        pictures = Pictures(blobs, tokens_of_files.__next__)
        edge = Edge(settings, peers, services, authenticator, tokens, clock, blobs, uploads, pictures)
        front = Front(create_app(edge, Admission(authenticator, limits, clock)), {})

        async def client(authorization: str) -> httpx.AsyncClient:
            headers = {"Authorization": authorization} if authorization else {}
            transport = httpx.ASGITransport(front)
            return await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://beep", headers=headers)
            )

        yield RunningEdge(
            upstream=upstream,
            authenticator=authenticator,
            bus=bus,
            clock=clock,
            front=front,
            blobs=blobs,
            pending=pending,
            uploads=uploads,
            files=tmp_path / FILES,
            anonymous=await client(""),
            person=await client(f"Bearer {PERSON_TOKEN}"),
            bot=await client(f"Bot {BOT_TOKEN}"),
        )
