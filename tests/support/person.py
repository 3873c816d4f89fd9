"""Somebody with an account of their own: for tests that change or end it."""

import base64
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.gateway_client import GatewayClient
from tests.support.newcomer import Newcomer


@dataclass
class Person:
    """May sign in any number of times; each gives an Api of its own."""

    newcomer: Newcomer
    beep: BeepProcess
    stack: AsyncExitStack

    @classmethod
    @asynccontextmanager
    async def at(cls, beep: BeepProcess, name: str = "person") -> AsyncIterator[Self]:
        async with AsyncExitStack() as stack:
            newcomer = await stack.enter_async_context(Newcomer.at(beep.url, name))
            await newcomer.register()
            await newcomer.open_link(await newcomer.validation_link())
            yield cls(newcomer, beep, stack)

    async def sign_in(self) -> Api:
        return await self.use((await self.newcomer.tokens())["access_token"])

    async def use(self, access_token: str) -> Api:
        api = await self.stack.enter_async_context(Api(self.beep.url, f"Bearer {access_token}"))
        api.user_id = (await api.ok("GET", "/users/@me"))["id"]
        return api

    async def connect(self, api: Api) -> GatewayClient:
        token = api.token.removeprefix("Bearer ")
        return await self.stack.enter_async_context(GatewayClient(self.beep.gateway, token))

    async def cannot_sign_in(self, password: str = "") -> None:
        answer = await self.newcomer.submit(await self.newcomer.authorize(), password)
        assert answer.status_code == 401


def token_of(link: str) -> str:
    """The token in a link of a mail."""
    return parse_qs(urlsplit(link).query)["token"][0]


def code_of(secret: str, *, steps: int = 0) -> str:
    """What an authenticator shows; of a later step the server takes one, as from a clock that is ahead."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return TOTP(key, 6, SHA1(), 30).generate(int(time.time()) + 30 * steps).decode()


async def with_second_factor(person: Person, me: Api) -> tuple[str, list[str]]:
    """Turns it on: its secret, and the recovery codes."""
    account = "/api/beep/v1/account"
    secret = (await me.ok("POST", f"{account}/totp", {"password": person.newcomer.password}))["secret"]
    codes = (await me.ok("POST", f"{account}/totp/confirm", {"code": code_of(secret)}))["recovery_codes"]
    return secret, codes
