"""The mail of a development installation in the browser: so that a newcomer can open a validation link.

Whoever reads it can validate any account, so it is shown to this machine only, and never through a proxy. A proxy on
this machine that adds no header looks like a browser on it: so where Beep has an address for others, it is not mounted.
"""

import ipaddress
import re
from collections.abc import Sequence
from html import escape
from typing import Any, Final

from litestar import MediaType, Request, Response, Router, get

from services.users.mail.directory import MailDirectory, ReceivedMail
from services.users.page import STYLE_HASH, page

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'none'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
_LINK: Final = re.compile(r"https?://[^\s<]+")


def is_from_this_machine(request: Request[Any, Any, Any]) -> bool:
    """Whether the peer is a loopback address, nobody forwarded the request, and it was addressed to a loopback name.

    The last is against DNS rebinding: a page on the Web whose name resolves to 127.0.0.1 would be the same origin.
    """
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    return is_loopback(request.client.host) and is_loopback(request.base_url.hostname or "")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def mail_router(directory: MailDirectory) -> Router:
    """`GET /mail[?to=ADDRESS]`: the newest mails first, as JSON where that is accepted."""

    async def show(request: Request[Any, Any, Any]) -> Response[Any]:
        if not is_from_this_machine(request):
            return Response("Not Found", status_code=404, media_type=MediaType.TEXT)
        mails = await directory.list(request.query_params.get("to"))
        if "application/json" in request.headers.get("accept", ""):
            return Response(mails, headers=_HEADERS)
        return Response(_page(mails), media_type=MediaType.HTML, headers=_HEADERS)

    return Router("/mail", route_handlers=[get("/")(show)], include_in_schema=False)


def _page(mails: Sequence[ReceivedMail]) -> str:
    entries = "".join(
        f"<article><h2>{escape(mail.subject)}</h2><p>To {escape(mail.to)}, {escape(mail.date)}</p>"
        f"<pre>{_with_links(mail.text)}</pre></article>"
        for mail in mails
    )
    return page("Mail that would have been sent", entries or "<p>None yet.</p>", wide=True)


def _with_links(text: str) -> str:
    return _LINK.sub(lambda found: f'<a href="{found[0]}">{found[0]}</a>', escape(text))
