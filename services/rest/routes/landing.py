"""What somebody sees who opens the address in a browser."""

from typing import Final

from litestar import MediaType, Response, get

from services.rest.admission import OPEN

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Beep</title>
<h1>Beep</h1>
<p>A chat backend that speaks Discord's v10 API. Bots and clients connect here; there is nothing to see in a browser.
<ul>
<li><a href="/api/beep/v1/openapi.json">The REST API</a> (OpenAPI), under <code>/api/v10</code>
<li><a href="/readyz">Whether every part works</a>
</ul>
</html>
"""
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
}


@get("/", opt={OPEN: True})
async def get_landing() -> Response[str]:
    return Response(_PAGE, media_type=MediaType.HTML, headers=_HEADERS)


ROUTES = [get_landing]
