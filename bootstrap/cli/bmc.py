"""`undercloud bmc`: BMCs at any address, enrolled or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.status import Status

from bootstrap.cli import bmc_stats
from bootstrap.cli.bmc_view import show_bmc
from bootstrap.cli.console import CommandError, Format, Output, client, err, show, show_json
from bootstrap.cli.password_file import read_password
from hwdrivers.address import AddressError, BMCAddress, Scheme
from hwdrivers.bmc import Endpoint
from hwdrivers.connect import connect
from hwdrivers.credentials import ANONYMOUS, Credentials, Secret
from hwdrivers.errors import AccessDenied, BMCError
from hwdrivers.look import as_stranger, look
from hwdrivers.pace import Unpaced

app = typer.Typer(help="BMCs at any address, enrolled or not.", no_args_is_help=True)

EXAMPLES = """
Examples:

    undercloud bmc show 10.0.0.5 --credentials rack1

    undercloud bmc show ipmi://10.0.0.5:6230 --username admin --password-file /root/bmc.pass

    undercloud bmc show redfish+http://127.0.0.1:8001 --no-auth -o json
"""
STRANGER = {
    "address": "BMC",
    "protocol": "PROTOCOL",
    "vendor": "VENDOR",
    "product": "MODEL",
    "detail": "TELLS",
}
_LOG_IN = "name a log-in: --credentials NAME, or --username USER --password-file FILE"


@dataclass(frozen=True)
class LogIn:
    """What the options say of how to log in."""

    name: str | None
    username: str | None
    password_file: Path | None
    no_auth: bool
    insecure: bool
    ca_file: Path | None

    def check(self) -> None:
        """Raises CommandError for options that contradict each other."""
        ways = [bool(self.name), self.username is not None, self.no_auth]
        if sum(ways) > 1:
            raise CommandError("give one of --credentials, --username and --no-auth")
        if self.password_file and self.username is None:
            raise CommandError("--password-file needs --username")
        if self.name and (self.insecure or self.ca_file):
            raise CommandError(f"whether certificates are checked is a part of the credentials '{self.name}'")
        if self.ca_file and not self.ca_file.is_file():
            raise CommandError(f"--ca-file {self.ca_file}: there is no such file")

    @property
    def missing(self) -> bool:
        return self.name is None and self.username is None and not self.no_auth

    def credentials(self) -> Credentials:
        """Asks for the password where it is in no file."""
        username, password = ANONYMOUS.username, ANONYMOUS.password
        if self.username is not None:
            username, password = self.username, Secret(read_password(self.password_file))
        return Credentials(username, password, not self.insecure, self.ca_file)


@app.command("show", epilog=EXAMPLES)
def show_command(
    ctx: typer.Context,
    address: Annotated[
        str,
        typer.Argument(
            help="10.0.0.5, ipmi://HOST[:PORT], redfish+https://HOST[:PORT][/redfish/v1/Systems/ID]"
        ),
    ],
    credentials: Annotated[str | None, typer.Option(help="A log-in that the seed keeps.")] = None,
    username: Annotated[str | None, typer.Option(help="The user name on the BMC.")] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the password; '-' reads it from standard input.")
    ] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="The service asks for no log-in.")] = False,
    insecure: Annotated[bool, typer.Option("--insecure", help="Accept any TLS certificate.")] = False,
    ca_file: Annotated[Path | None, typer.Option(help="Accept certificates that this CA signed.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Say who a BMC is, whether the machine has power, what can be done there, and what it is made of.

    Nothing is enrolled or stored. Where several systems are behind the BMC, all are shown. Without a log-in
    it shows what the BMC tells strangers, and everything where it asks for none.
    """
    log_in = LogIn(credentials, username, password_file, no_auth, insecure, ca_file)
    log_in.check()
    try:
        where = BMCAddress.parse(address)
    except AddressError as error:
        raise CommandError(str(error)) from None
    document = _read(ctx, where, log_in, output)
    if output is Format.JSON:
        show_json(document)
    else:
        show_bmc(document)


class Asking(Unpaced):
    """On a terminal, what is being read and how many questions it took so far."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._words = ""
        self._asked = 0

    def about(self, words: str) -> None:
        self._words = words
        self._tell()

    def wait(self) -> None:
        self._asked += 1
        self._tell()

    def _tell(self) -> None:
        asked = f" ({self._asked} questions)" if self._asked else ""
        self._status.update(self._words + asked)


def _read(ctx: typer.Context, where: BMCAddress, log_in: LogIn, output: Format) -> dict[str, Any]:
    """The seed's API where it has the password, else the drivers in this process."""
    if log_in.name:
        body = {"address": str(where), "credentials": log_in.name}
        with err.status("") as status:
            return _watch(client(ctx).stream("/bmcs/show", body), Asking(status))
    endpoint = Endpoint(_asked(where, log_in), log_in.credentials())
    try:
        with err.status("") as status:
            asking = Asking(status)
            return _watch(look(endpoint, partial(connect, pace=asking)), asking)
    except BMCError as error:
        heard = _show_stranger(where, output) if log_in.missing else False
        asks = heard and isinstance(error, AccessDenied)
        raise CommandError(f"{error}{_advice(where, log_in, heard, asks)}") from None


def _asked(where: BMCAddress, log_in: LogIn) -> BMCAddress:
    """Without a log-in there is nothing to ask over IPMI."""
    anonymous = log_in.username is None and where.scheme is None
    return where.with_scheme(Scheme.REDFISH_HTTPS) if anonymous else where


def _advice(where: BMCAddress, log_in: LogIn, heard: bool, asks: bool) -> str:
    """What is missing, where a stranger was answered and it `asks` for a log-in."""
    if heard:
        return f"; {_LOG_IN}" if asks else ""
    return "; nothing answers over IPMI either" if log_in.missing and where.scheme is None else ""


def _watch(documents: Iterator[dict[str, Any]], asking: Asking) -> dict[str, Any]:
    """The last document."""
    for document in documents:
        if "error" in document:
            raise CommandError(document["error"])
        if "bmc" in document:
            found: dict[str, Any] = document["bmc"]
            return found
        asking.about(document.get("progress", ""))
    raise CommandError("the seed's answer ended too early; see `undercloud seed status`")


def _show_stranger(where: BMCAddress, output: Format) -> bool:
    """What is told without a log-in; False where nobody answers."""
    try:
        found = [{**asdict(finding), "address": str(finding.address)} for finding in as_stranger(where)]
    except OSError:  # the name means nothing here: the error that comes says so
        return False
    if output is Format.JSON:
        show_json({"address": str(where), "answers": found})
    elif found:
        show(found, STRANGER, output)
    return bool(found)


bmc_stats.register(app)
