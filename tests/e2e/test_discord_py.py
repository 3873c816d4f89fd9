"""An unmodified discord.py bot against a running Beep: only its base URLs are changed, as docs/bots.md says."""

import asyncio
import importlib.util
import io
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from types import ModuleType
from typing import Any

import discord
import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from services.common.permissions import Permission
from tests.support.beep_process import BeepProcess
from tests.support.demo import Demo

SECONDS = 15.0


class PingBot(discord.Client):
    """What docs/bots.md shows, and a record of everything that it was told."""

    def __init__(self) -> None:
        # By default it waits for two seconds that no server comes any more; here it is known which one has to.
        super().__init__(intents=discord.Intents.all(), guild_ready_timeout=0.1)
        self.is_up = asyncio.Event()
        self.resumes = 0
        self.seen: list[str] = []
        self.log: asyncio.Queue[tuple[str, Any]] = asyncio.Queue(1000)

    async def on_ready(self) -> None:
        self._look_around()

    async def on_guild_available(self, guild: discord.Guild) -> None:
        self._look_around()

    def _look_around(self) -> None:
        if self.is_ready() and all(guild.chunked and not guild.unavailable for guild in self.guilds):
            self.is_up.set()

    async def on_resumed(self) -> None:
        self.resumes += 1
        self.log.put_nowait(("resumed", None))

    async def on_message(self, message: discord.Message) -> None:
        self.seen.append(message.content)
        self.log.put_nowait(("message", message))
        if message.content == "!ping":
            await message.channel.send("pong")

    async def on_message_edit(self, before: discord.Message, after: discord.Message) -> None:
        self.log.put_nowait(("edit", after))

    async def on_message_delete(self, message: discord.Message) -> None:
        self.log.put_nowait(("delete", message))

    async def on_presence_update(self, before: discord.Member, after: discord.Member) -> None:
        # `after` is the member that discord.py keeps: what it shows now is taken down.
        self.log.put_nowait(
            ("presence", (after.id, after.raw_status, [activity.name for activity in after.activities]))
        )

    async def on_typing(self, channel: object, user: discord.Member, when: datetime) -> None:
        self.log.put_nowait(("typing", (channel, user)))

    async def on_member_ban(self, guild: discord.Guild, user: discord.User | discord.Member) -> None:
        self.log.put_nowait(("ban", user))

    async def on_member_unban(self, guild: discord.Guild, user: discord.User) -> None:
        self.log.put_nowait(("unban", user))

    async def on_audit_log_entry_create(self, entry: discord.AuditLogEntry) -> None:
        self.log.put_nowait(("audit", entry))

    async def on_thread_create(self, thread: discord.Thread) -> None:
        self.log.put_nowait(("thread", thread))

    async def on_thread_update(self, before: discord.Thread, after: discord.Thread) -> None:
        self.log.put_nowait(("thread edit", after))

    async def on_thread_member_join(self, member: discord.ThreadMember) -> None:
        self.log.put_nowait(("thread join", member))

    async def next(self, kind: str, matches: Callable[[Any], bool] = lambda _: True) -> Any:
        async with asyncio.timeout(SECONDS):
            while True:
                got, what = await self.log.get()
                if got == kind and matches(what):
                    return what


def _utils_without_zstandard() -> ModuleType:
    """What discord.py makes of itself where no zstd is installed: this module decides while it is loaded."""
    spec = importlib.util.spec_from_file_location("discord.utils_without_zstandard", discord.utils.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("zstandard", "compression.zstd"):
            patch.setitem(sys.modules, name, None)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(beep: BeepProcess) -> dict[str, Any]:
    return beep.demo()


@pytest.fixture
async def demo(request: pytest.FixtureRequest, beep: BeepProcess) -> AsyncIterator[Demo]:
    """One that these tests share, or the test's own: for those who count what is in it, or send somebody away."""
    async with AsyncExitStack() as stack:
        if getattr(request, "param", "shared") == "own":
            yield await Demo.make(beep, stack)
        else:
            yield await Demo.of(beep, request.getfixturevalue("made"), stack)


own_demo = pytest.mark.parametrize("demo", ["own"], indirect=True)


@pytest.fixture
async def bot(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PingBot]:
    monkeypatch.setattr(Route, "BASE", demo.made["api"])
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(demo.made["gateway"]))
    client = PingBot()
    running = asyncio.create_task(client.start(demo.made["bot"]["token"]))
    ready = asyncio.create_task(client.is_up.wait())
    await asyncio.wait({running, ready}, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    assert client.is_up.is_set(), "on_ready never came"
    yield client
    ready.cancel()
    await client.close()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.story("BOT-02", "GTW-01")
async def test_discord_py_sees_its_server_when_ready(bot: PingBot, demo: Demo) -> None:
    server = bot.get_guild(int(demo.server_id))
    assert server is not None
    assert server.owner_id == int(demo.owner.user_id)
    assert server.get_channel(int(demo.channel_id)) is not None
    assert {member.id for member in server.members} == {
        int(user.user_id) for user in (demo.owner, demo.sender, demo.guest, demo.bot)
    }
    assert server.member_count == 4
    assert server.me.guild_permissions.administrator
    assert server.me.top_role == max(server.roles)


@pytest.fixture(params=["zstd-stream", "zlib-stream"])
def compress(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How discord.py asks for compression: by zstd where a library for it is installed, as it is here, else by zlib."""
    module = discord.utils if request.param == "zstd-stream" else _utils_without_zstandard()
    context: Any = module._ActiveDecompressionContext
    assert request.param == context.COMPRESSION_TYPE
    monkeypatch.setattr(discord.utils, "_ActiveDecompressionContext", context)
    return str(request.param)


@pytest.mark.story("BOT-02", "GTW-06")
async def test_discord_py_reads_what_is_compressed(compress: str, bot: PingBot, demo: Demo) -> None:
    assert f"compress={compress}" in str(bot.ws.socket._response.url)
    for text in ("short", "☃" * 1_800):
        await demo.sender.send(demo.channel_id, text)
        await bot.next("message", lambda message, text=text: message.content == text)


@pytest.mark.story("BOT-02", "CHT-08")
async def test_discord_py_answers_ping(bot: PingBot, demo: Demo) -> None:
    await demo.sender.send(demo.channel_id, "!ping")
    pong = await bot.next("message", lambda message: message.content == "pong")
    assert pong.author.id == int(demo.bot.user_id)
    assert [message["content"] for message in await demo.history()][-2:] == ["!ping", "pong"]


@pytest.mark.story("BOT-02", "CHT-10", "CHT-11", "CHT-12", "CHT-13", "CHT-14")
async def test_discord_py_sends_edits_deletes_replies_pins_and_reads_history(bot: PingBot, demo: Demo) -> None:
    channel = bot.get_channel(int(demo.channel_id))
    assert isinstance(channel, discord.TextChannel)

    sent = await channel.send("first", embed=discord.Embed(title="a title", description="a text"))
    assert sent.embeds[0].title == "a title"
    edited = await sent.edit(content="second")
    assert edited.content == "second"
    assert edited.edited_at is not None
    assert (await bot.next("edit", lambda message: message.id == sent.id)).content == "second"

    reply = await sent.reply("an answer")
    assert reply.reference is not None
    assert reply.reference.message_id == sent.id
    assert reply.type is discord.MessageType.reply

    await sent.pin(reason="worth keeping")
    assert [message.id async for message in channel.pins()] == [sent.id]
    await sent.unpin()
    assert [message.id async for message in channel.pins()] == []

    assert {sent.id, reply.id} <= {message.id async for message in channel.history(limit=None)}
    after = [message.id async for message in channel.history(after=sent, limit=10)]
    assert after[0] == reply.id

    await reply.delete()
    assert (await bot.next("delete", lambda message: message.id == reply.id)).id == reply.id
    with pytest.raises(discord.NotFound):
        await channel.fetch_message(reply.id)


@pytest.mark.story("BOT-02", "CHT-09")
async def test_discord_py_sends_reads_and_exchanges_files(bot: PingBot, demo: Demo) -> None:
    channel = bot.get_channel(int(demo.channel_id))
    assert isinstance(channel, discord.TextChannel)
    content = os.urandom(200_000)
    file = discord.File(io.BytesIO(content), filename='grüße "1".bin', description="noise")
    embed = discord.Embed(title="a dot").set_image(url="attachment://dot.gif")
    dot = discord.File(io.BytesIO(b"GIF89a\x02\x00\x03\x00"), filename="dot.gif", spoiler=True)
    sent = await channel.send("two files", files=[file, dot], embed=embed)
    noise, spoiler = sent.attachments
    assert (noise.size, noise.description, noise.filename) == (len(content), "noise", "grüße_1_.bin")
    assert await noise.read() == content
    assert spoiler.is_spoiler()
    assert (spoiler.content_type, spoiler.width, spoiler.height) == ("image/gif", 2, 3)
    got = await bot.next("message", lambda message: message.id == sent.id)
    assert [each.url for each in got.attachments] == [noise.url, spoiler.url]

    new = discord.File(io.BytesIO(b"hello"), filename="new.txt")
    edited = await sent.edit(attachments=[noise, new])
    assert [each.filename for each in edited.attachments] == ["grüße_1_.bin", "new.txt"]
    assert await edited.attachments[1].read() == b"hello"
    with pytest.raises(discord.HTTPException) as refused:
        await channel.send(file=discord.File(io.BytesIO(bytes((25 << 20) + 1)), filename="large.bin"))
    assert (refused.value.status, refused.value.code) == (413, 40005)


@pytest.mark.story("BOT-02", "SOC-14")
async def test_discord_py_writes_a_direct_message_and_answers_one(bot: PingBot, demo: Demo) -> None:
    at_guest = await demo.connect(demo.guest)
    guest = await bot.fetch_user(int(demo.guest.user_id))
    sent = await guest.send("hi")
    assert isinstance(sent.channel, discord.DMChannel)
    assert sent.guild is None
    channel = await at_guest.wait_for("CHANNEL_CREATE", lambda channel: channel["id"] == str(sent.channel.id))
    assert channel["recipients"][0]["id"] == demo.bot.user_id
    await demo.guest.send(channel["id"], "!ping")
    pong = await bot.next("message", lambda message: message.content == "pong")
    assert isinstance(pong.channel, discord.DMChannel)
    assert [message.content async for message in sent.channel.history()] == ["pong", "!ping", "hi"]

    await demo.guest.ok("PUT", f"/users/@me/relationships/{demo.bot.user_id}", {"type": 2})
    with pytest.raises(discord.Forbidden) as refused:
        await guest.send("are you there?")
    assert refused.value.code == 50007
    await demo.guest.ok("DELETE", f"/users/@me/relationships/{demo.bot.user_id}")


@pytest.mark.story("BOT-02", "GTW-05")
async def test_discord_py_loses_nothing_when_its_socket_is_cut(bot: PingBot, demo: Demo) -> None:
    sent = [f"message {number}" for number in range(60)]
    for number, content in enumerate(sent):
        if number in (20, 40):
            # As a network does it: no close frame, no goodbye.
            bot.ws.socket._response.connection.transport.abort()
        await demo.sender.send(demo.channel_id, content)
    await bot.next("message", lambda message: message.content == sent[-1])
    assert [content for content in bot.seen if content.startswith("message ")] == sent
    assert bot.resumes >= 1


@pytest.mark.story("BOT-02")
async def test_discord_py_manages_channels_and_roles(bot: PingBot, demo: Demo) -> None:
    server = bot.get_guild(int(demo.server_id))
    assert server is not None
    channel = await server.create_text_channel("plans", topic="what next")
    role = await server.create_role(name="planner", permissions=discord.Permissions(view_channel=True))
    guest = server.get_member(int(demo.guest.user_id))
    assert guest is not None
    await guest.add_roles(role)
    await channel.set_permissions(role, send_messages=True, read_message_history=True)
    await demo.guest.send(str(channel.id), "let us plan")
    await bot.next("message", lambda message: message.content == "let us plan")
    await channel.set_permissions(role, overwrite=None)
    assert await demo.guest.refused("POST", f"/channels/{channel.id}/messages", {"content": "again"}) == (403, 50013)
    await guest.remove_roles(role)
    assert (await demo.guest.refused("GET", f"/channels/{channel.id}"))[0] in (403, 404)
    await channel.delete()
    lower = await server.create_role(name="lower")
    await lower.move(below=role)
    assert [each.name for each in await server.fetch_roles()][:3] == ["@everyone", "planner", "lower"]
    await role.delete()


@pytest.mark.story("BOT-02", "CHT-01", "CHT-04", "CHT-05", "CHT-06")
async def test_discord_py_talks_in_threads(bot: PingBot, demo: Demo) -> None:
    channel = bot.get_channel(int(demo.channel_id))
    assert isinstance(channel, discord.TextChannel)
    thread = await channel.create_thread(name="aside", type=discord.ChannelType.public_thread, auto_archive_duration=60)
    assert (await bot.next("thread")).id == thread.id
    assert (thread.parent_id, thread.owner_id, thread.auto_archive_duration) == (channel.id, int(demo.bot.user_id), 60)
    known = channel.get_thread(thread.id)
    assert known is not None
    assert (await known.send("between us")).channel == known
    await demo.role("talks aside", Permission.SEND_MESSAGES_IN_THREADS, demo.sender)
    await demo.sender.send(str(thread.id), "!ping")
    pong = await bot.next("message", lambda message: message.content == "pong")
    assert pong.channel.id == thread.id

    await known.leave()
    await known.join()
    # (Who writes in it joins it, so it takes somebody who has not.)
    owner = int(demo.owner.user_id)
    await known.add_user(discord.Object(owner))
    await bot.next("thread join", lambda member: member.id == owner)
    assert {member.id for member in await known.fetch_members()} >= {int(demo.bot.user_id), owner}
    await known.edit(name="over", archived=True)
    assert (await bot.next("thread edit", lambda edited: edited.archived)).name == "over"
    assert [old.id async for old in channel.archived_threads()] == [thread.id]

    message = await channel.send("shall we?")
    of_message = await message.create_thread(name="we shall")
    assert of_message.id == message.id
    assert [active.id for active in await channel.guild.active_threads()] == [of_message.id]
    await of_message.delete()


@pytest.mark.story("BOT-02", "SRV-21")
async def test_discord_py_makes_and_deletes_a_webhook(bot: PingBot, demo: Demo) -> None:
    channel = bot.get_channel(int(demo.channel_id))
    assert isinstance(channel, discord.TextChannel)
    webhook = await channel.create_webhook(name="ci", reason="for the builds")
    assert [each.id for each in await channel.webhooks()] == [webhook.id]
    assert discord.Webhook.from_url(webhook.url, client=bot).token == webhook.token
    assert (await webhook.edit(name="cd")).name == "cd"
    await webhook.delete()
    assert await channel.webhooks() == []


async def test_discord_py_is_told_when_its_token_is_wrong(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Route, "BASE", demo.made["api"])
    client = discord.Client(intents=discord.Intents.none())
    with pytest.raises(discord.LoginFailure):
        await client.start("not.a.token")
    await client.close()


@pytest.mark.story("BOT-02")
async def test_discord_py_gets_forbidden_when_it_lacks_the_right(bot: PingBot, demo: Demo) -> None:
    server = bot.get_guild(int(demo.server_id))
    assert server is not None
    # Nobody is above the owner, not even the administrator's role.
    with pytest.raises(discord.Forbidden) as refused:
        await server.kick(discord.Object(int(demo.owner.user_id)))
    assert refused.value.code == 50013


@own_demo
@pytest.mark.story("BOT-02", "SRV-08", "SRV-22")
async def test_discord_py_bans_unbans_and_reads_the_audit_log(bot: PingBot, demo: Demo) -> None:
    server = bot.get_guild(int(demo.server_id))
    assert server is not None
    guest = server.get_member(int(demo.guest.user_id))
    assert guest is not None
    await guest.edit(nick="pest", reason="as they are called")
    await guest.ban(reason="spam", delete_message_seconds=0)
    assert (await bot.next("ban")).id == guest.id
    told = await bot.next("audit", lambda entry: entry.action is discord.AuditLogAction.ban)
    assert (told.target.id, told.reason) == (guest.id, "spam")
    assert [(ban.user.id, ban.reason) async for ban in server.bans()] == [(guest.id, "spam")]
    assert (await server.fetch_ban(guest)).reason == "spam"
    await server.unban(guest)
    assert (await bot.next("unban")).id == guest.id
    with pytest.raises(discord.NotFound):
        await server.fetch_ban(guest)
    await server.edit(name="Renamed")
    role = await server.create_role(name="judge", color=discord.Color(7))
    channel = await server.create_text_channel(
        "court", overwrites={role: discord.PermissionOverwrite(read_messages=True)}
    )
    await channel.create_invite(max_uses=3)
    await role.delete()

    log = [entry async for entry in server.audit_logs(limit=None)]
    kinds = discord.AuditLogAction
    wanted = [
        kinds.role_delete,
        kinds.invite_create,
        kinds.channel_create,
        kinds.role_create,
        kinds.guild_update,
        kinds.unban,
        kinds.ban,
        kinds.member_update,
    ]
    mine = [entry for entry in log if entry.user_id == bot.user.id]  # type: ignore[union-attr]
    assert [entry.action for entry in mine] == wanted
    ban, update = mine[-2], mine[-1]
    assert (ban.reason, ban.target.id) == ("spam", guest.id)  # type: ignore[union-attr]
    assert (update.before.nick, update.after.nick, update.reason) == (None, "pest", "as they are called")
    assert mine[4].after.name == "Renamed"
    assert [entry.id async for entry in server.audit_logs(action=kinds.ban)] == [ban.id]
    assert [entry.id async for entry in server.audit_logs(limit=2, before=mine[0])] == [each.id for each in mine[1:3]]


@pytest.mark.story("BOT-02", "CHT-16")
async def test_discord_py_sees_who_is_there_and_who_types(bot: PingBot, demo: Demo) -> None:
    server = bot.get_guild(int(demo.server_id))
    assert server is not None
    sender, guest = int(demo.sender.user_id), int(demo.guest.user_id)
    client = await demo.connect(demo.sender)
    await bot.next("presence", lambda told: told == (sender, "online", []))
    playing = [{"name": "chess", "type": 0}, {"name": "Custom Status", "type": 4, "state": "away from the board"}]
    await client.send(3, {"since": None, "afk": False, "status": "dnd", "activities": playing})
    told = await bot.next("presence", lambda told: told[1] == "dnd")
    assert told == (sender, "dnd", ["chess", "away from the board"])
    member = server.get_member(sender)
    assert member is not None
    assert (member.status, member.web_status) == (discord.Status.dnd, discord.Status.dnd)
    await demo.sender.ok("POST", f"/channels/{demo.channel_id}/typing")
    channel, user = await bot.next("typing")
    assert (channel.id, user.id) == (int(demo.channel_id), sender)
    await client.close()
    await bot.next("presence", lambda told: told == (sender, "offline", []))

    # What the bot shows of itself, and what it finds when it asks for members with their presences.
    watcher = await demo.connect(demo.guest)
    await bot.change_presence(status=discord.Status.idle, activity=discord.Game("ping-pong"))
    shown = await watcher.wait_for("PRESENCE_UPDATE", lambda d: d["status"] == "idle")
    assert (shown["user"]["id"], shown["activities"][0]["name"]) == (demo.bot.user_id, "ping-pong")
    await bot.next("presence", lambda told: told[:2] == (guest, "online"))
    (found,) = await server.query_members(user_ids=[guest], presences=True)
    assert found.status is discord.Status.online
