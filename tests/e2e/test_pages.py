"""What a browser shows: each page's policy lets in its own style and nothing else."""

import base64
import hashlib
import re

import httpx
import pytest

from tests.support.beep_process import BeepProcess
from tests.support.newcomer import Newcomer


async def pages(beep: BeepProcess) -> dict[str, httpx.Response]:
    async with Newcomer.at(beep.url) as newcomer:
        await newcomer.register()
        return {
            "mail": await newcomer.http.get("/mail"),
            "sign in": await newcomer.authorize(),
            "refused": await newcomer.submit(await newcomer.authorize()),
            "wrong request": await newcomer.authorize(client_id="nobody"),
            "validate": await newcomer.http.get(await newcomer.validation_link()),
            "dead link": await newcomer.http.get("/identity/validate?token=old"),
        }


@pytest.mark.parametrize("beep", ["inprocess"], indirect=True)
async def test_page_allows_its_own_style_and_nothing_else(beep: BeepProcess) -> None:
    for name, answer in (await pages(beep)).items():
        style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        assert style is not None, name
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'", name
        assert policy["style-src"] == f"'sha256-{digest}'", name
        assert policy["frame-ancestors"] == "'none'", name
        assert " style=" not in answer.text, name
        assert "<script" not in answer.text, name
