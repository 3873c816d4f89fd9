"""What somebody sees who opens the address in a browser."""

import base64
import hashlib
from typing import Final

from litestar import MediaType, Response, get

from services.rest.admission import OPEN

_STYLE: Final = """
:root{color-scheme:light dark;--text:#111;--ground:#fff;--link:#3a3aa8}
@media(prefers-color-scheme:dark){:root{--text:#eee;--ground:#1b1b20;--link:#a9b1ff}}
body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem;
color:var(--text);background:var(--ground)}
a{color:var(--link)}
:focus-visible{outline:3px solid #b35900;outline-offset:2px}
"""
_PAGE: Final = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Beep</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Beep</h1>
<p>This is a chat backend that speaks Discord's v10 API. It runs; bots and clients connect to it at
<code>/api/v10</code>, and there is nothing more to see in a browser.</p>
<ul>
<li><a href="/api/beep/v1/openapi.json">What the API can do</a> (OpenAPI)</li>
<li><a href="/readyz">Whether every part serves</a></li>
</ul>
</main>
</body>
</html>
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
_HEADERS: Final = {
    # This style and no other, and nothing else at all.
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


@get("/", opt={OPEN: True})
async def get_landing() -> Response[str]:
    return Response(_PAGE, media_type=MediaType.HTML, headers=_HEADERS)


ROUTES = [get_landing]
