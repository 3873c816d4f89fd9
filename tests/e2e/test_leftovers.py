"""What a deleted server leaves behind: nothing, in no database and in no file."""

import asyncio
import base64
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_files import PNG
from tests.support.roles import SENDER, VIEWER
from tests.support.world import World

SECONDS = 20.0
"""It is done behind the answer, by each service in its turn."""

# What may stay: nonces go with their time, as a retry must still be told that its message is gone; and webhooks
# remembers the channels that it was told of, so that a creation on its way makes nothing there.
_MAY_STAY = {"nonces", "gone_channels"}


def rows_naming(database: Path, ids: set[int]) -> Iterator[str]:
    """The tables with a row of one of these servers or channels, and how many."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in set(tables) - _MAY_STAY:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for column in {"server_id", "channel_id", "parent_id"} & set(columns):
                found = [row[0] for row in connection.execute(f"SELECT {column} FROM {table}")]
                if ids & {int(value) for value in found if value is not None}:
                    yield f"{database.name}: {table}.{column}"


def files_naming(directory: Path, ids: set[int]) -> list[str]:
    files = [str(path) for path in directory.rglob("*") if path.is_file()]
    return [file for file in files if any(str(each) in file for each in ids)]


def leftovers(data: Path, ids: set[int], blobs: set[int]) -> list[str]:
    tables = [found for name in ("messages", "servers", "webhooks") for found in rows_naming(data / f"{name}.db", ids)]
    return tables + files_naming(data / "files", blobs)


@pytest.mark.story("SRV-19")
async def test_a_deleted_server_leaves_no_row_and_no_file(world: World) -> None:
    data, owner, member = world.beep.data, world.owner, world.member
    await world.everyone(VIEWER | SENDER)
    icon = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    await owner.ok("PATCH", world.path, {"icon": icon})
    slow = await world.channel("slow", rate_limit_per_user=60)
    await member.send(slow, "slowly")
    files = [("files[0]", ("cat.png", PNG))]
    sent = await owner.ok("POST", f"{world.channel_path}/messages", files=files, data={"content": "@everyone look"})
    [attachment] = sent["attachments"]
    message = f"{world.channel_path}/messages/{sent['id']}"
    await member.ok("PUT", f"{message}/reactions/👍/@me")
    await member.ok("POST", f"{message}/ack", {})
    await owner.ok("PUT", f"{world.channel_path}/messages/pins/{sent['id']}")
    thread = await owner.ok("POST", f"{message}/threads", {"name": "talk"})
    await member.send(thread["id"], "inside")
    webhook = await owner.ok("POST", f"{world.channel_path}/webhooks", {"name": "hook"})
    await owner.ok("GET", f"{world.path}/messages/search?content=look")

    ids = {int(each) for each in (world.server_id, world.channel_id, slow, thread["id"])}
    blobs = {int(attachment["id"]), int(world.server_id)}
    # All that is looked for is there before, or the rest of this test would say nothing.
    before = " ".join(leftovers(data, ids, blobs))
    kept = "messages attachments reactions reaction_counts read_states mention_targets paces threads members webhooks"
    assert [table for table in kept.split() if f" {table}." not in f" {before}"] == []
    assert len(files_naming(data / "files", blobs)) >= 2

    await owner.ok("DELETE", world.path)
    async with httpx.AsyncClient() as anybody:
        try:
            async with asyncio.timeout(SECONDS):
                while left := leftovers(data, ids, blobs):  # noqa: ASYNC110 (nothing tells when)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail("\n".join(left))
        assert (await anybody.get(attachment["url"])).status_code == 404
        hook = await anybody.get(f"{world.beep.api}/webhooks/{webhook['id']}/{webhook['token']}")
        assert hook.status_code == 404
