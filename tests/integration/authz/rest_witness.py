"""A second opinion on what Permify answers: its REST API, asked by a client that has nothing of Beep's adapter.

A question that the adapter puts wrongly is a right answer to another question: that shows against the oracle. An answer
that it *reads* wrongly, or takes from somewhere else, shows here as well, and at its cause.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

import httpx

from services.authz.store.permify import PermifyAuthorizer
from tests.support.permify import PermifyServer


class RestWitness:
    """Asks again what authz asked, by REST and with the same snap token, for a share of all checks."""

    def __init__(self, server: PermifyServer, share: float, seed: int = 1) -> None:
        self._base = f"http://{server.http}/v1/tenants"
        self._headers = {"authorization": f"Bearer {server.key}"}
        self._share = share
        # Of a Permify that somebody else started only the gRPC API is known.
        self._reachable = bool(server.http)
        self._random = Random(seed)
        self.asked = 0
        self.allowed = 0
        self.wrong: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        check = PermifyAuthorizer.check

        async def watched(
            authorizer: Any, entity: Any, permission: Any, subject: Any, context: Any, token: Any
        ) -> bool:
            answer: bool = await check(authorizer, entity, permission, subject, context, token)
            if self._reachable and self._random.random() < self._share:
                body = {
                    # Without a version: the newest, and a tenant of a test has only one.
                    "metadata": {"snap_token": token, "schema_version": "", "depth": 5},
                    "entity": {"type": entity.type, "id": entity.id},
                    "permission": permission,
                    "subject": {"type": subject.type, "id": subject.id},
                    "context": {"data": {name: _plain(value) for name, value in context.items()}},
                }
                await self._testify(authorizer._tenant, body, answer)
            return answer

        with patch.object(PermifyAuthorizer, "check", watched):
            yield

    async def _testify(self, tenant: str, body: dict[str, object], answer: bool) -> None:
        async with httpx.AsyncClient(headers=self._headers, timeout=5, trust_env=False) as client:
            response = await client.post(f"{self._base}/{tenant}/permissions/check", json=body)
        can = response.json().get("can")
        self.asked += 1
        self.allowed += can == "CHECK_RESULT_ALLOWED"
        if can != ("CHECK_RESULT_ALLOWED" if answer else "CHECK_RESULT_DENIED"):
            self.wrong.append(f"{body}: the adapter says {answer}, REST {response.text}")


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
