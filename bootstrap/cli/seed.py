"""`undercloud seed`: the process that does the work."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from bootstrap import process
from bootstrap.cli.console import CommandError, Format, Output, client, config_path, out, show, show_json
from bootstrap.cli.init import configuration
from bootstrap.config import Config, read

app = typer.Typer(help="Start, stop and look at the seed process.", no_args_is_help=True)


@app.command()
def run(ctx: typer.Context) -> None:
    """Run the seed in the foreground, until SIGTERM or Ctrl-C."""
    from bootstrap.serve import serve

    serve(read(config_path(ctx)))


@app.command()
def start(ctx: typer.Context) -> None:
    """Start the seed in the background; runs that were under way go on where they were."""
    config = read(config_path(ctx))
    process.refuse_another(config)
    if process.is_up(config):
        out.print("The seed is running already.")
        return
    number = process.start(config_path(ctx), config)
    out.print(f"The seed is up (process {number}); its log is {config.log_file}")


@app.command()
def stop(ctx: typer.Context) -> None:
    """Stop the seed; nothing is lost, runs wait in the store."""
    config = read(config_path(ctx))
    out.print("The seed has stopped." if process.stop(config) else "No seed was running.")


@app.command("copy-store")
def copy_store(
    ctx: typer.Context,
    database: Annotated[str, typer.Argument(help="An empty database: postgresql://USER@HOST/NAME.")],
    database_password_file: Annotated[
        Path | None, typer.Option(help="A file of mode 0600 with the database's password.")
    ] = None,
) -> None:
    """Copy the store into a PostgreSQL database, which seeds can share; the old one stays as it is.

    Then `undercloud init --database URL` goes over to it.
    """
    config = read(config_path(ctx))
    file = database_password_file.absolute() if database_password_file else None
    there = {"database": database, "database_password_file": file}
    rows = _copy(config, configuration({**dict(config), **there}))
    password = f" --database-password-file {file}" if file else ""
    out.print(
        f"{rows} rows are copied. Next: undercloud init --database '{database}'{password}", markup=False
    )


def _copy(here: Config, there: Config) -> int:
    """What a seed writes meanwhile would be lost."""
    from bootstrap.compose import open_store

    with closing(open_store(here)) as old, closing(open_store(there)) as new:
        old.migrate()
        with old.read() as tx:
            alive = tx.leases.seeds()
        if alive or process.pid(here) is not None:
            named = ", ".join(alive) or "the one on this machine"
            raise CommandError(f"stop the seeds that work on this store first: {named}")
        new.migrate()
        return old.copy_to(new)


@app.command("list")
def list_seeds(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """List the seeds that share this store, and which of them answers machines.

    A seed that died is gone from here within half a minute; the others have its work by then.
    """
    show(client(ctx).get("/seeds"), {"name": "SEED", "leads": "ANSWERS MACHINES"}, output)


@app.command()
def status(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Say whether the seed runs; exit code 1 when it does not."""
    config = read(config_path(ctx))
    number = process.pid(config)
    answers = process.is_up(config)
    if output is Format.JSON:
        found = {"name": config.name, "pid": number, "answers": answers, "socket": str(config.socket)}
        show_json(found)
    elif answers:
        out.print(f"The seed '{config.name}' runs (process {number}) and answers on {config.socket}")
    else:
        out.print(f"No seed answers on {config.socket}: start it with `undercloud seed start`")
    raise typer.Exit(0 if answers else 1)
