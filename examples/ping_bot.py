"""An ordinary discord.py bot that answers !ping. Two lines make it talk to Beep; the rest is as it is at Discord.

    export BEEP_API=http://127.0.0.1:8080/api/v10 BEEP_GATEWAY=ws://127.0.0.1:8080 BEEP_BOT_TOKEN=…
    python ping_bot.py

`beep demo` prints these values.
"""

import os

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

Route.BASE = os.environ["BEEP_API"]
DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["BEEP_GATEWAY"])

client = discord.Client(intents=discord.Intents.all())


@client.event
async def on_ready() -> None:
    servers = ", ".join(guild.name for guild in client.guilds)
    print(f"{client.user} is ready in: {servers}", flush=True)


@client.event
async def on_message(message: discord.Message) -> None:
    if message.content == "!ping":
        await message.channel.send("pong")


client.run(os.environ["BEEP_BOT_TOKEN"])
