"""The web client in `web/`: a client of the public API like any other, which happens to live at the same address."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Final

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter

from services.rest.admission import OPEN
from services.rest.request import ApiRequest
from services.rest.web_files import INDEX, WebFile, read_web_files, web_directory

# The client draws these itself; to the server they are all the same page.
PAGES: Final = [
    "/",
    "/callback",
    "/sign-up",
    "/reset-password",
    "/invite/{code:str}",
    "/channels/{path:path}",
    "/friends",
    "/discover",
    "/settings",
    "/settings/{section:str}",
]
# Asked for again each time, and answered 304 as long as it is the same: a new Beep is a new client at once.
_CACHE: Final = "no-cache"


@cache
def _files() -> Mapping[str, WebFile]:
    return read_web_files(web_directory())


def _policy(gateway_url: str) -> str:
    """Nothing but our own files, and no inline script or style: what users write can never run.

    The gateway is named because not every browser takes ws: to be `'self'`.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; "
        f"media-src 'self' blob:; connect-src 'self' {gateway_url}; manifest-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


@get(PAGES, opt={OPEN: True}, include_in_schema=False)
async def get_page(request: ApiRequest) -> Response[bytes]:
    answer = _answer(request, _files()[INDEX])
    answer.headers["Content-Security-Policy"] = _policy(request.edge.settings.gateway_url)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return answer


@get("/web/{path:path}", opt={OPEN: True}, include_in_schema=False)
async def get_file(request: ApiRequest, path: Annotated[str, PathParameter()]) -> Response[bytes]:
    file = _files().get(path.removeprefix("/"))
    if file is None:
        raise NotFoundException
    return _answer(request, file)


def _answer(request: ApiRequest, file: WebFile) -> Response[bytes]:
    headers = {"Cache-Control": _CACHE, "ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, media_type=file.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(file.body, media_type=file.media_type, headers=headers)


ROUTES = [get_page, get_file]
