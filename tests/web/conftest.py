"""The web client in a real Chromium, in front of a whole Beep."""

import asyncio
import base64
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.beep_process import BeepProcess
from tests.support.newcomer import Newcomer
from tests.support.tab import Tab, WebAccount

T = TypeVar("T")
SCREENSHOTS = Path(__file__).parents[2] / "docs" / "screenshots"
NAMES = ("ada", "ben", "cleo", "dan", "eve", "fay", "gil", "hal", "iris", "jon")
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def beep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BeepProcess]:
    """One Beep for all tests of the page."""
    process = BeepProcess(tmp_path_factory.mktemp("web") / "data", env={"BEEP_RATE_LIMITS": "off"}).start()
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with the module: until then an event loop runs in this thread, and other tests could have none."""
    path = os.environ.get("BEEP_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or name one in BEEP_CHROMIUM")
    with sync_playwright() as playwright:
        # A container has no user namespaces to build the sandbox from, and the page under test is our own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--font-render-hinting=none"])
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser: Browser, beep: BeepProcess) -> Iterator[Callable[..., Tab]]:
    """Opens tabs; each is closed at the end, and must have had no defect."""
    tabs: list[Tab] = []

    def open_one(**options: Any) -> Tab:
        tabs.append(Tab.open(browser, beep.url, **options))
        return tabs[-1]

    yield open_one
    for tab in tabs:
        tab.close()


@pytest.fixture(scope="session")
def people(beep: BeepProcess) -> dict[str, WebAccount]:
    """Everybody that the tests know, made at once because each takes two hashes of a password."""

    async def make() -> list[WebAccount]:
        return await asyncio.gather(*(_sign_up(beep, name) for name in NAMES))

    return dict(zip(NAMES, in_thread(make()), strict=True))


@pytest.fixture(scope="session")
def ada(people: dict[str, WebAccount]) -> WebAccount:
    return people["ada"]


@pytest.fixture(scope="session")
def ben(people: dict[str, WebAccount]) -> WebAccount:
    return people["ben"]


@pytest.fixture
def api(beep: BeepProcess) -> Callable[[WebAccount], "Api"]:
    return lambda account: Api(beep.url, account)


class Api:
    """The public API, for what a test needs to be there before it begins."""

    def __init__(self, url: str, account: WebAccount) -> None:
        self._url, self._headers = url, account.authorization

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        path = path if path.startswith("/api/") else f"/api/v10{path}"
        answer = httpx.request(method, self._url + path, json=body, headers=self._headers, timeout=20)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


def probe(name: str) -> str:
    """A function in JavaScript, to be evaluated in the page."""
    return (Path(__file__).parent / "probes" / f"{name}.js").read_text(encoding="utf-8")


class Place:
    """A server with a channel, owned by `owner`, that `guests` have joined."""

    def __init__(
        self, api: Callable[[WebAccount], Api], owner: WebAccount, *guests: WebAccount, name: str = "Harbour"
    ) -> None:
        self.by = api(owner)
        self.server = self.by("POST", "/guilds", {"name": name})
        self.id: str = self.server["id"]
        self.channel = next(one for one in self.by("GET", f"/guilds/{self.id}/channels") if one["type"] == 0)
        self.invite: str = self.by("POST", f"/channels/{self.channel['id']}/invites", {"max_age": 0})["code"]
        for guest in guests:
            api(guest)("POST", f"/invites/{self.invite}")

    @property
    def path(self) -> str:
        return f"/channels/{self.id}/{self.channel['id']}"


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Playwright's synchronous side has an event loop in this thread already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work)).result()


async def _sign_up(beep: BeepProcess, name: str) -> WebAccount:
    async with Newcomer.at(beep.url, name) as newcomer:
        await newcomer.register()
        await newcomer.open_link(await newcomer.validation_link())
        return await _sign_in(newcomer, beep.url)


async def _sign_in(newcomer: Newcomer, url: str) -> WebAccount:
    client = {"client_id": "beep-web", "redirect_uri": f"{url}/callback"}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(newcomer.verifier.encode()).digest()).rstrip(b"=").decode()
    page = await newcomer.authorize(**client, code_challenge=challenge)
    code = newcomer.code(await newcomer.submit(page))
    tokens = (await newcomer.exchange(code, **client)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    user = (await newcomer.http.get("/api/v10/users/@me", headers=headers)).json()
    kept = {
        "access": tokens["access_token"],
        "refresh": tokens["refresh_token"],
        "expires": int((time.time() + tokens["expires_in"]) * 1000),
    }
    return WebAccount(user["id"], newcomer.username, newcomer.email, newcomer.password, kept)
