"""A person or a bot at the REST edge."""

from typing import Any, Self

import httpx


class Api:
    """Calls as one principal. `call` gives the answer as it is; `ok` its JSON, and fails on an error."""

    def __init__(self, url: str, token: str = "", *, user_id: str = "") -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.user_id = user_id
        headers = {"Authorization": token} if token else {}
        # Beep is reached by plain HTTP here; reading the certificates of the Web would take longer than many a test.
        self.http = httpx.AsyncClient(timeout=20, headers=headers, verify=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """`path` begins with /api/, or with what is below /api/v10."""
        root = (
            self.url
            if path.startswith(("/api/", "/identity", "/mail", "/readyz", "/healthz"))
            else f"{self.url}/api/v10"
        )
        if body is not None:
            options["json"] = body
        return await self.http.request(method, root + path, **options)

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        response = await self.call(method, path, body, **options)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def refused(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, int]:
        """The HTTP status and Discord's error code of a call that must fail."""
        response = await self.call(method, path, body, **options)
        assert response.is_error, f"{method} {path} was allowed: {response.text}"
        return response.status_code, response.json()["code"]

    async def send(self, channel_id: str, content: str, **fields: Any) -> Any:
        return await self.ok("POST", f"/channels/{channel_id}/messages", {"content": content} | fields)

    async def make_role(self, server_id: str, name: str, permissions: int, *holders: "Api") -> str:
        """A new role with these permission bits, below all others, given to these members. Returns its id."""
        body = {"name": name, "permissions": str(int(permissions))}
        role = await self.ok("POST", f"/guilds/{server_id}/roles", body)
        for holder in holders:
            await self.ok("PUT", f"/guilds/{server_id}/members/{holder.user_id}/roles/{role['id']}")
        return str(role["id"])

    async def make_channel(self, server_id: str, name: str, **fields: Any) -> str:
        """A new channel, a text channel unless `type` says otherwise. Returns its id."""
        made = await self.ok("POST", f"/guilds/{server_id}/channels", {"name": name, "type": 0} | fields)
        return str(made["id"])
