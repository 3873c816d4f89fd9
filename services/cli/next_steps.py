"""What `beep demo` tells a person: who was made, and what to type next. Plain lines, to be copied from any terminal."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, Final

DEFAULT_URL: Final = "http://127.0.0.1:8080"
WHO: Final = ("owner", "may view and send", "has no role")


def installed(program: str) -> str:
    """How a program beside this Python is called from the current directory: as short as the shell understands it."""
    path = Path(sys.executable).with_name(program)
    if shutil.which(program) == str(path):
        return program
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def demo_command(url: str) -> str:
    return f"{installed('beep')} demo{_url_option(url)}"


def next_steps(made: dict[str, Any], url: str) -> str:
    """The text. `made` is what `services.cli.demo.fill` returned for the Beep at `url`."""
    sender = made["users"][1]
    messages = f"{made['api']}/channels/{made['channel_id']}/messages"
    people = "\n".join(
        f"  {who:<19}{user['email']:<26}password {user['password']}"
        for who, user in zip(WHO, made["users"], strict=True)
    )
    # A password that begins with a hyphen would be taken for an option without the equals sign.
    sign_in = (
        f"{installed('beep')} token {sender['email']} --password={shlex.quote(sender['password'])}{_url_option(url)}"
    )
    return f"""\
Made the server {made["server_id"]} with the channel {made["channel_id"]}, a bot, and three people:

{people}
{_page(made, url)}
Start the example bot, which answers !ping:

  {installed("pip")} install discord.py
  export BEEP_API={made["api"]}
  export BEEP_GATEWAY={made["gateway"]}
  export BEEP_BOT_TOKEN={made["bot"]["token"]}
  {installed("python")} {Path("examples", "ping_bot.py")}

In another terminal, sign in as the second of them and say it:

  TOKEN=$({sign_in})
  curl -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
    -d '{{"content": "!ping"}}' {messages}

and read the answer, and all that was said before:

  curl -H "Authorization: Bearer $TOKEN" {messages}"""


def _page(made: dict[str, Any], url: str) -> str:
    """What there is to see in a browser; nothing after a small demo."""
    if "showcase" not in made:
        return ""
    return f"""
Open {url} and sign in as the first of them: a second server, which has been lived in, has something to show.
"""


def _url_option(url: str) -> str:
    return "" if url == DEFAULT_URL else f" --url {shlex.quote(url)}"
