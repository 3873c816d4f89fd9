"""Files of messages. Whoever knows the URL may read: it holds what cannot be guessed, as at Discord's CDN."""

import re
from typing import Annotated, Final

from litestar import HttpMethod, route
from litestar.params import PathParameter
from litestar.response import Stream

from services.rest.admission import OPEN
from services.rest.files.downloads import PRIVATE, find, serve
from services.rest.files.names import sanitise
from services.rest.request import ApiRequest

_ID: Final = re.compile(r"[1-9]\d{0,18}")
_TOKEN: Final = re.compile(r"[0-9a-f]{32}")

Text = Annotated[str, PathParameter()]


@route(
    "/attachments/{channel_id:str}/{attachment_id:str}/{token:str}/{filename:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    opt={OPEN: True},
    status_code=200,
)
async def get_attachment(
    request: ApiRequest, channel_id: Text, attachment_id: Text, token: Text, filename: Text
) -> Stream:
    """A file. Takes one `Range`, `If-Range`, `If-None-Match`; images, sound and video are shown, all else is saved."""
    usable = _ID.fullmatch(attachment_id) and _TOKEN.fullmatch(token) and filename == sanitise(filename)
    key = f"attachments/{attachment_id}-{token}"
    blobs = request.edge.blobs
    info = await find(blobs, key if usable else None, channel_id)
    return serve(request, blobs, key, info, etag=attachment_id, filename=filename, caching=PRIVATE)


ROUTES = [get_attachment]
