"""The command line `beep`."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.cli.errors import UserError
from services.cli.next_steps import DEFAULT_URL, demo_command, next_steps

# Each command imports what it runs: `beep mail` must not load a whole server.

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

DataOption = Annotated[Path, typer.Option("--data", help="Where Beep keeps everything.")]
UrlOption = Annotated[str, typer.Option("--url", help="The running Beep.")]
DEFAULT_DATA = Path("data")
STATE_STYLES = {"ok": "green", "degraded": "yellow", "failed": "red", "not running": "yellow"}


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"beep {version('beep')}")
        raise typer.Exit


@app.callback()
def beep(
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Beep: a self-hosted chat backend that speaks Discord's v10 API."""


@app.command()
def up(
    data: DataOption = DEFAULT_DATA,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0: a free one.")] = 8080,
    public_url: Annotated[
        str, typer.Option(envvar="BEEP_PUBLIC_URL", help="How clients reach it, when that is not http://HOST:PORT.")
    ] = "",
    rpc: Annotated[
        Literal["inprocess", "grpc"], typer.Option(envvar="BEEP_RPC", help="How its services call each other.")
    ] = "inprocess",
    authz: Annotated[
        str,
        typer.Option(envvar="BEEP_AUTHZ", help="Where `beep run authz` listens: HOST:PORT,HOST:PORT; empty: its own."),
    ] = "",
) -> None:
    """Serve Beep: every part in this one process, nothing else to install."""
    import uvloop

    from services.cli.authz_peers import how_to_start
    from services.cli.logs import configure_logging
    from services.cli.settings import authz_addresses
    from services.cli.up import Addresses, UpSettings, serve

    def announce(addresses: Addresses, silent: Sequence[str]) -> None:
        for address in silent:
            hint = escape(f"no authz answers at {address}: {how_to_start(address, data)}.")
            errors.print(f"[yellow]beep:[/] {hint}", soft_wrap=True)
        if silent and len(silent) == len(settings.authz):
            typer.echo("Beep is up, but nothing can be decided before an authz answers. Ctrl-C stops it.")
        else:
            typer.echo("Beep is ready. Ctrl-C stops it.")
        typer.echo(f"  Page     {addresses.url}")
        typer.echo(f"  API      {addresses.api}")
        typer.echo(f"  Gateway  {addresses.gateway}")
        typer.echo(f"  Data     {data}")
        typer.echo(f"Try it, in another terminal: {demo_command(addresses.url)}")
        sys.stdout.flush()

    configure_logging(os.environ.get("BEEP_LOG", "warning"))
    settings = UpSettings(
        data=data.absolute(),
        host=host,
        port=port,
        public_url=public_url.rstrip("/"),
        rpc=rpc,
        authz=authz_addresses(authz),
    )
    uvloop.run(serve(settings, announce))


run = typer.Typer(no_args_is_help=True, help="Serve one part of Beep in a process of its own.")
app.add_typer(run, name="run")


@run.command("authz")
def run_authz(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")],
    data: DataOption = DEFAULT_DATA,
    host: Annotated[
        str, typer.Option(help="The address to listen on, and where the other processes of Beep reach it.")
    ] = "127.0.0.1",
) -> None:
    """Serve authz alone, for a `beep up --authz`. Several share a Permify; the embedded engine serves one."""
    import uvloop

    from services.cli.logs import configure_logging
    from services.cli.run import RunSettings, serve

    def announce(address: str) -> None:
        typer.echo(f"authz is ready at {address}. Ctrl-C stops it.")
        sys.stdout.flush()

    configure_logging(os.environ.get("BEEP_LOG", "warning"))
    uvloop.run(serve(RunSettings(data=data.absolute(), host=host, port=port), announce))


@app.command()
def demo(
    url: UrlOption = DEFAULT_URL,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
    small: Annotated[bool, typer.Option("--small", help="Without the second server and its history.")] = False,
) -> None:
    """Fill a running Beep with two servers, some people and bots, and say how to go on."""
    from services.cli.client import BeepClient
    from services.cli.demo import fill

    with BeepClient(url) as client:
        made = fill(client, small=small)
    if as_json:
        typer.echo(json.dumps(made))
        return
    typer.echo(next_steps(made, client.url))


@app.command()
def token(
    email: Annotated[str, typer.Argument(help="The e-mail address of the account.")],
    url: UrlOption = DEFAULT_URL,
    password: Annotated[
        str | None, typer.Option(envvar="BEEP_PASSWORD", help="Asked for when it is not given.", show_default=False)
    ] = None,
) -> None:
    """Sign in as a person and print an access token, for curl and scripts."""
    from services.cli.client import BeepClient

    with BeepClient(url) as client:
        # Asked for on standard error: standard output is the token alone.
        typer.echo(client.sign_in(email, password or typer.prompt("Password", hide_input=True, err=True)))


@app.command()
def explain(
    user: Annotated[
        str, typer.Argument(help="Whom it is about: a username, a user's id, or @me. Alone: a refusal's decision_id.")
    ],
    permission: Annotated[str, typer.Argument(help="The permission, as in SEND_MESSAGES; or its number.")] = "",
    channel: Annotated[
        str, typer.Argument(help="The channel or thread: its name or its id. None: the server itself.")
    ] = "",
    server: Annotated[
        str, typer.Option(help="The server, by its name or id: for a permission on it, or a channel's name in it.")
    ] = "",
    token: Annotated[
        str, typer.Option(envvar="BEEP_TOKEN", help="Who asks: what `beep token` prints.", show_default=False)
    ] = "",
    email: Annotated[str, typer.Option(help="Who asks, instead of a token.")] = "",
    password: Annotated[
        str | None, typer.Option(envvar="BEEP_PASSWORD", help="Asked for when it is not given.", show_default=False)
    ] = None,
    url: UrlOption = DEFAULT_URL,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's JSON, for scripts.")] = False,
) -> None:
    """Say why somebody has a permission or has it not, step by step, and what would change that.

    With nothing but the decision_id of a refusal: why that was refused, as of then.

    Anybody may ask about themselves; about others whoever manages the server.
    """
    from services.cli.client import BeepClient
    from services.cli.explain import Asked, console_for, decision, is_decision, laid_out, laid_out_decision
    from services.cli.explain import explain as ask

    if not token and not email:
        raise UserError("Say who asks: --email, or --token with what `beep token EMAIL` prints (or BEEP_TOKEN).")
    with BeepClient(url) as client:
        token = token or client.sign_in(email, password or typer.prompt("Password", hide_input=True, err=True))
        asked = Asked(user, permission, channel, server)
        of_refusal = is_decision(asked)
        answer = decision(client, token, user) if of_refusal else ask(client, token, asked)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    console_for(console).print(laid_out_decision(answer) if of_refusal else laid_out(answer))


@app.command()
def mail(
    data: DataOption = DEFAULT_DATA,
    to: Annotated[str, typer.Option(help="Only mails to this address.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="Only so many.")] = 10,
) -> None:
    """Show the mails that Beep would have sent, newest first."""
    from services.common.clock import SystemClock
    from services.users.mail.directory import MailDirectory

    folder = data / "mail"
    if not folder.is_dir():
        raise UserError(f"There is no mail under {data}. Is that the directory that `beep up --data` was given?")
    mails = asyncio.run(MailDirectory(folder, SystemClock()).list(to or None))
    if not mails:
        typer.echo("No mail.")
    for one in mails[:limit]:
        typer.echo(f"Subject: {one.subject}\nTo:      {one.to}\nDate:    {one.date}\n\n{one.text.strip()}\n")


@app.command()
def doctor(data: DataOption = DEFAULT_DATA, url: UrlOption = DEFAULT_URL) -> None:
    """Say what Beep would run on, and whether each part answers."""
    from services.cli.doctor import examine

    # What fails is in a finding, with what to do about it; what the parts log about it says less.
    logging.getLogger().addHandler(logging.NullHandler())
    findings = examine(data, url.rstrip("/"), os.environ)
    # Folded: a reason of which the end is cut off is none.
    columns = (Column(title, overflow="fold") for title in ("part", "state", "chosen", ""))
    table = Table(*columns, box=None, pad_edge=False)
    for finding in findings:
        state = f"[{STATE_STYLES[finding.state]}]{finding.state}[/]"
        table.add_row(finding.part, state, escape(finding.chosen), escape(finding.detail))
    console.print(table)
    if any(finding.state in ("failed", "degraded") for finding in findings):
        raise typer.Exit(1)


@app.command()
def reconcile(
    data: DataOption = DEFAULT_DATA,
    apply: Annotated[bool, typer.Option("--apply", help="Repair what differs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
) -> None:
    """Compare what permissions are decided by with where it comes from, while Beep serves.

    Ends with 0: no drift; 1: drift was found (and repaired, with --apply); 2: it cannot be told.
    """
    from services.cli.reconcile import FAILED, print_json, print_text

    if as_json:
        found = asyncio.run(print_json(data, apply=apply, out=sys.stdout))
    else:
        found = asyncio.run(print_text(data, apply=apply, out=console, progress=errors))
    if found.drift:
        raise typer.Exit(1)
    if found.changing:
        raise typer.Exit(FAILED)


def main() -> None:
    """Runs the command line; what a person did wrong is told without a stack trace."""
    try:
        app()
    except UserError as error:
        # A terminal wraps by itself; what is piped stays one line.
        errors.print(f"[red]beep:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(error.code)


if __name__ == "__main__":
    main()
