"""Avatars and icons, at the paths of Discord's CDN: https://docs.discord.com/developers/reference#image-formatting

Served as what they are: the extension that a client asks for, and `?size=`, change nothing.
"""

from typing import Annotated, Final

from litestar import HttpMethod, route
from litestar.params import PathParameter
from litestar.response import Stream

from services.common.errors import NotFound
from services.rest.admission import OPEN
from services.rest.files.default_avatars import COLORS, default_avatar
from services.rest.files.downloads import PUBLIC, find, serve
from services.rest.files.pictures import Folder, name_in
from services.rest.request import ApiRequest

READS: Final = [HttpMethod.GET, HttpMethod.HEAD]

Text = Annotated[str, PathParameter()]


@route("/avatars/{user_id:str}/{file:str}", http_method=READS, opt={OPEN: True}, status_code=200)
async def get_avatar(request: ApiRequest, user_id: Text, file: Text) -> Stream:
    return await _picture(request, "avatars", user_id, file)


@route("/icons/{server_id:str}/{file:str}", http_method=READS, opt={OPEN: True}, status_code=200)
async def get_icon(request: ApiRequest, server_id: Text, file: Text) -> Stream:
    return await _picture(request, "icons", server_id, file)


@route("/channel-icons/{channel_id:str}/{file:str}", http_method=READS, opt={OPEN: True}, status_code=200)
async def get_channel_icon(request: ApiRequest, channel_id: Text, file: Text) -> Stream:
    """Of a group."""
    return await _picture(request, "channel-icons", channel_id, file)


@route("/embed/avatars/{file:str}", http_method=READS, opt={OPEN: True}, status_code=200)
async def get_default_avatar(request: ApiRequest, file: Text) -> Stream:
    """`0.png` to `5.png`: of users who have none."""
    number = file.removesuffix(".png")
    if number == file or number not in map(str, range(len(COLORS))):
        raise NotFound("UNKNOWN_FILE")
    picture = default_avatar(int(number))
    headers = {"Cache-Control": PUBLIC, "Content-Length": str(len(picture))}
    return Stream(iter([picture]), media_type="image/png", headers=headers)


async def _picture(request: ApiRequest, folder: Folder, owner_id: str, file: str) -> Stream:
    name = name_in(file)
    usable = name is not None and owner_id.isascii() and owner_id.isdecimal() and len(owner_id) < 20
    key = f"{folder}/{owner_id}/{name}"
    blobs = request.edge.blobs
    info = await find(blobs, key if usable else None, owner_id)
    return serve(request, blobs, key, info, etag=str(name), filename=file, caching=PUBLIC)


ROUTES = [get_avatar, get_icon, get_channel_icon, get_default_avatar]
