"""One browser window in front of Beep's page, with one person at it.

What a page may never do is collected while it is used, and asserted at the end: errors in the console, exceptions,
refusals of the content security policy, dialogs that a script opened.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, expect

WAIT_MS: Final = 10_000
DESKTOP: Final = {"width": 1280, "height": 800}
PHONE: Final = {"width": 390, "height": 844}
# The browser itself reports each answer that is an error; the page is to show them, and tests ask whether it does.
_ANSWERED: Final = re.compile(r"Failed to load resource: the server responded with a status of (4\d\d|503)")


@dataclass(frozen=True, slots=True)
class WebAccount:
    """Somebody with an account, and the tokens of a session of the web client."""

    user_id: str
    username: str
    email: str
    password: str
    tokens: dict[str, Any]

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access']}"}


@dataclass
class Tab:
    """`allowed` decides which console messages are no defect."""

    context: BrowserContext
    page: Page
    url: str
    defects: list[str] = field(default_factory=list)
    allowed: Callable[[str], bool] = lambda _: False

    @classmethod
    def open(cls, browser: Browser, url: str, **options: Any) -> "Tab":
        context = browser.new_context(viewport=options.pop("viewport", DESKTOP), locale="en-GB", **options)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        tab = cls(context, page, url)
        tab.watch(page)
        return tab

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.defects.append(f"exception: {error.stack or error}"))
        page.on("dialog", self._dialog)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not _ANSWERED.search(text) and not self.allowed(text):
            self.defects.append(f"console {kind}: {text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.defects.append(f"a script opened a dialog: {dialog.message}")
        dialog.dismiss()

    def close(self) -> None:
        self.context.close()
        assert not self.defects, self.defects

    def as_user(self, account: WebAccount, path: str = "/") -> Page:
        """Open the page as somebody who signed in before."""
        # Once for a tab: what it renews later is its own.
        tokens = json.dumps(json.dumps(account.tokens))
        self.context.add_init_script(
            f"sessionStorage.getItem('beep.tokens') ?? sessionStorage.setItem('beep.tokens', {tokens})"
        )
        self.page.goto(self.url + path)
        self.page.locator(".shell").wait_for()
        return self.page

    # what people do

    def say(self, text: str, shown: str = "") -> Locator:
        """Write a message and send it; returns it once Beep has acknowledged it. `shown`: as it reads, if not alike."""
        self.page.locator("#composer").fill(text)
        self.page.locator("#composer").press("Enter")
        return self.acknowledged(shown or text)

    def acknowledged(self, text: str) -> Locator:
        message = self.message(text)
        expect(message).to_be_visible()
        expect(self.page.locator(".message.pending", has_text=text)).to_have_count(0)
        return message

    def message(self, text: str) -> Locator:
        return self.page.locator(".message[data-id]", has=self.page.locator(".content", has_text=text)).last

    def menu_of(self, message: Locator, item: str) -> None:
        """Choose from a message's menu."""
        message.hover()
        message.get_by_role("button", name="More").click()
        self.page.get_by_role("menuitem", name=item, exact=False).click()

    def dialog(self) -> Locator:
        return self.page.locator("dialog[open]").last

    def enter(self, channel: str) -> None:
        self.page.get_by_role("navigation", name="Channels").get_by_role("link", name=channel).click()
        expect(self.page.locator("#main .head h1")).to_contain_text(channel)
