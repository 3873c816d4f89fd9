"""The command line `beep`."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.errors import UserError

# Each command imports what it runs: `beep mail` must not load a whole server.

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Beep: a chat backend."
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

DataOption = Annotated[Path, typer.Option("--data", help="Where Beep keeps everything.")]
UrlOption = Annotated[str, typer.Option("--url", help="The running Beep.")]
DEFAULT_DATA = Path("data")
DEFAULT_URL = "http://127.0.0.1:8080"


@app.command()
def up(
    data: DataOption = DEFAULT_DATA,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0: a free one.")] = 8080,
    public_url: Annotated[
        str, typer.Option(envvar="BEEP_PUBLIC_URL", help="How clients reach it, when that is not http://HOST:PORT.")
    ] = "",
    rpc: Annotated[
        str, typer.Option(envvar="BEEP_RPC", help="How its services call each other: inprocess or grpc.")
    ] = "inprocess",
) -> None:
    """Serve Beep: every part in this one process, nothing else to install."""
    import uvloop

    from services.cli.logs import configure_logging
    from services.cli.up import Addresses, UpSettings, serve

    if rpc not in ("inprocess", "grpc"):
        raise UserError(f"BEEP_RPC is {rpc!r}; it must be inprocess or grpc.")
    transport: Literal["inprocess", "grpc"] = "grpc" if rpc == "grpc" else "inprocess"

    def announce(addresses: Addresses) -> None:
        typer.echo("Beep is ready. Ctrl-C stops it.")
        typer.echo(f"  API      {addresses.api}")
        typer.echo(f"  Gateway  {addresses.gateway}")
        typer.echo(f"  Data     {data}")
        typer.echo(f"Try it, in another terminal: {sys.argv[0]} demo --url {addresses.url}")
        sys.stdout.flush()

    configure_logging(os.environ.get("BEEP_LOG", "warning"))
    settings = UpSettings(data=data.absolute(), host=host, port=port, public_url=public_url.rstrip("/"), rpc=transport)
    uvloop.run(serve(settings, announce))


@app.command()
def demo(
    url: UrlOption = DEFAULT_URL,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
) -> None:
    """Fill a running Beep with a server, three people and a bot, and say how to go on."""
    from services.cli.client import BeepClient
    from services.cli.demo import fill

    with BeepClient(url) as client:
        made = fill(client)
    if as_json:
        typer.echo(json.dumps(made))
        return
    owner, sender, guest = made["users"]
    people = Table("who", "username", "e-mail", "password", box=None, pad_edge=False)
    for who, user in (("owner", owner), ("may view and send", sender), ("has no role", guest)):
        people.add_row(who, user["username"], user["email"], user["password"])
    console.print(
        f"Made the server {made['server_id']} with the channel {made['channel_id']}, three people and a bot.\n"
    )
    console.print(people)
    console.print("\nStart the example bot, which answers !ping:\n")
    typer.echo(f"  export BEEP_API={made['api']} BEEP_GATEWAY={made['gateway']} BEEP_BOT_TOKEN={made['bot']['token']}")
    typer.echo("  .venv/bin/pip install discord.py && .venv/bin/python examples/ping_bot.py")
    console.print("\nThen say it, as the second of them:\n")
    typer.echo(
        f"  curl -H 'Authorization: Bearer {sender['token']}' --json '{{\"content\": \"!ping\"}}' "
        f"{made['api']}/channels/{made['channel_id']}/messages"
    )
    console.print("\nand read the channel:\n")
    typer.echo(
        f"  curl -H 'Authorization: Bearer {sender['token']}' {made['api']}/channels/{made['channel_id']}/messages"
    )


@app.command()
def token(
    email: Annotated[str, typer.Argument(help="The e-mail address of the account.")],
    url: UrlOption = DEFAULT_URL,
    password: Annotated[
        str, typer.Option(envvar="BEEP_PASSWORD", prompt=True, hide_input=True, help="Asked for when it is not given.")
    ] = "",
) -> None:
    """Sign in as a person and print an access token, for curl and scripts."""
    from services.cli.client import BeepClient

    with BeepClient(url) as client:
        typer.echo(client.sign_in(email, password))


@app.command()
def mail(
    data: DataOption = DEFAULT_DATA,
    to: Annotated[str, typer.Option(help="Only mails to this address.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 10,
) -> None:
    """Show the mails that Beep would have sent, newest first."""
    from services.common.clock import SystemClock
    from services.users.mail.directory import MailDirectory

    folder = data / "mail"
    if not folder.is_dir():
        raise UserError(f"There is no mail under {data}. Is that the directory that `beep up --data` was given?")
    mails = asyncio.run(MailDirectory(folder, SystemClock()).list(to or None))
    if not mails:
        console.print("No mail.")
    for one in mails[:limit]:
        console.rule(escape(one.subject), align="left")
        console.print(f"To:   {escape(one.to)}\nDate: {escape(one.date)}\n")
        typer.echo(one.text)


@app.command()
def doctor(data: DataOption = DEFAULT_DATA, url: UrlOption = DEFAULT_URL) -> None:
    """Say what Beep would run on, and whether each part answers."""
    from services.cli.doctor import examine

    findings = examine(data, url)
    table = Table("part", "chosen", "state", box=None, pad_edge=False)
    for finding in findings:
        state = "[green]ok[/]" if finding.ok else "[red]failed[/]"
        table.add_row(finding.part, escape(finding.chosen), f"{state}  {escape(finding.detail)}")
    console.print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def main() -> None:
    """Runs the command line; what a person did wrong is told without a stack trace."""
    try:
        app()
    except UserError as error:
        errors.print(f"[red]beep:[/] {escape(str(error))}")
        sys.exit(1)


if __name__ == "__main__":
    main()
