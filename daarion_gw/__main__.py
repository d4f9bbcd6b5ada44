"""The ``daarion-gw`` command: what the operator asks of a configuration, and has made.

The gateway itself runs under ``twistd -n daarion-gw``. Exit codes: 0 fine, 1 the checked thing is
wrong, 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from daarion_gw import __version__
from daarion_gw.admin import asking
from daarion_gw.config import defaults
from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.report import render_problems, render_routes, routes_data
from daarion_gw.config.settings import Settings
from daarion_gw.front.checking import tell_verdict
from daarion_gw.front.loading import Loading

_config = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="The file to read. Without it ./gateway.yaml, then /etc/daarion-gw/gateway.yaml, then "
    "the default table.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="daarion-gw", message="%(prog)s %(version)s")
def main() -> None:
    """Ask the gateway about its configuration.

    The gateway itself is started with "twistd -n daarion-gw".
    """


@main.command()
@_config
def check(config: str | None) -> None:
    """Read the configuration and name every mistake in it.

    Where the file has tests, they are tried: each must lead where it says. Certificates and
    their keys are read: what no client takes is a mistake, what will soon be one a warning.

    Exits with 0 when there is no mistake, with 1 otherwise. Nothing is started or changed, and
    upstreams are not asked.
    """
    settings = _load(config)
    sys.exit(tell_verdict(settings, settings.gateway.listen, sys.stdout.write, sys.stderr.write))


@main.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def routes(config: str | None, as_json: bool) -> None:
    """Show the routing table as the configuration makes it.

    PREFIX tells whether the path's prefix is stripped before the request goes on; "exact" is
    one path and nothing below it. LIMITS names what differs from the defaults. A path with a
    host before it is for that host only; the longest path wins, and a host beats no host.
    """
    settings = _load(config)
    if as_json:
        click.echo(json.dumps(routes_data(settings), indent=2, ensure_ascii=False))
    else:
        click.echo(render_routes(settings), nl=False)


class _Place(click.ParamType):
    """An endpoint string or a URL of an admin listener."""

    name = "endpoint or URL"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> asking.Admin:
        try:
            return asking.admin_at(value)
        except (ValueError, LookupError):
            self.fail(f"{value!r} names no admin listener; expected {asking.FORMS}", param, ctx)


_admin = click.option(
    "--admin",
    metavar="ENDPOINT",
    type=_Place(),
    help="Where its admin listener is, as an endpoint string or a URL; what the file says by "
    "default.",
)


@main.command("reload")
@_config
@_admin
def reload_gateway(config: str | None, admin: asking.Admin | None) -> None:
    """Check the file, have the running gateway reload it, and say what came of it.

    The gateway is found by its admin listener, and told by a signal: this must run where the
    gateway runs (in its container), as its user or as root. FILE is what is checked; what the
    gateway reads is the file that it was started with.
    """
    settings = _load(config)
    try:
        after = asking.reload(admin or _admin_of(settings, "SIGHUP"))
    except asking.AskingError as error:
        click.echo(f"not reloaded: {error}", err=True)
        sys.exit(1)
    outcome = after["reload"]
    if not outcome["ok"]:
        problems = outcome["problems"]
        click.echo(f"not reloaded, the old configuration stays:\n{problems}", err=True)
        sys.exit(1)
    source = after["source"] or "the default table"
    click.echo(f"reloaded: {len(after['routes'])} routes of {source}")
    # They are no reason for it not to reload: the old ones go on.
    for problem in after.get("certificates", {}).get("problems", []):
        click.echo(f"warning: certificate not taken: {problem}", err=True)


@main.command()
@_config
@_admin
def upgrade(config: str | None, admin: asking.Admin | None) -> None:
    """Let a new process with the code that is installed now take over from the running one.

    It takes the listening sockets, so that no connection is refused; the old process serves what
    it has begun, and ends. Exits with 1 and the reason when the old one has to go on. Like
    "reload", this must run where the gateway runs.
    """
    try:
        old, new = asking.upgrade(admin or _admin_of(_load(config), "SIGUSR2"))
    except asking.AskingError as error:
        click.echo(f"not upgraded: {error}", err=True)
        sys.exit(1)
    click.echo(f"process {new} has taken over from process {old}")


def _admin_of(settings: Settings, otherwise: str) -> asking.Admin:
    """Where the configuration has its admin listener. otherwise: the signal that says the same."""
    written = settings.gateway.admin
    if written is None:
        raise asking.AskingError(
            f"the configuration has no admin listener (admin: off): send {otherwise} to the "
            "process, or name the listener that it was started with by --admin"
        )
    try:
        return asking.admin_at(written)
    except (ValueError, LookupError):
        raise asking.AskingError(
            f"the admin listener {written} cannot be asked from here: name it with --admin"
        ) from None


@main.group()
def certs() -> None:
    """Make certificates for development: certs dev."""


@certs.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("certs"),
    show_default="./certs",
    help="Where the files are.",
)
@click.option("--force", is_flag=True, help="Also where that takes away something that is there.")
def dev(names: tuple[str, ...], folder: Path, force: bool) -> None:
    """Make a certificate for development, and an authority of your own that vouches for it.

    For each NAME, a host name or an address; localhost, 127.0.0.1 and ::1 by default. The
    authority is made once and used again: browsers that trust it trust what it makes later.
    """
    # Not above: it brings cryptography, which no other sub-command needs.
    from daarion_gw.tls.development import DevelopmentError, make
    from daarion_gw.tls.trust import told

    try:
        made = make(folder, names, is_forced=force)
    except (DevelopmentError, OSError) as error:
        click.echo(f"no certificate was made: {error}", err=True)
        sys.exit(1)
    click.echo(told(made), nl=False)


@main.command("stand-in")
@click.argument("name", type=click.Choice(list(defaults.PORTS)), metavar="NAME")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Where to listen; the service's own port by default, 0 for a free one.",
)
def stand_in(name: str, port: int | None) -> None:
    """Serve a stand-in for the service NAME until stopped.

    It answers in place of a service that is not there yet, so that a stack can be tried whole.
    NAME is one of microdao-api, microdao-ws, matrix-homeserver, grafana, prometheus, rag-service
    and notification-service.
    """
    # Not above: it brings Twisted and a reactor, which no other sub-command needs.
    from daarion_gw.demo.stand_in import main as serve

    serve(name, defaults.PORTS[name] if port is None else port)


def _load(config: str | None) -> Settings:
    """The settings, or every mistake on standard error and exit code 1."""
    cwd = Path.cwd()
    try:
        return Loading(config, os.environ, cwd)()
    except ConfigurationError as error:
        click.echo(render_problems(error), nl=False, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m daarion_gw")
