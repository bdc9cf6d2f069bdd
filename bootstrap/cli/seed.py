"""`undercloud seed`: the process that does the work."""

from __future__ import annotations

import typer

from bootstrap import process
from bootstrap.cli.console import Format, Output, config_path, out, show_json
from bootstrap.config import read

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


@app.command()
def status(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Say whether the seed runs; exit code 1 when it does not."""
    config = read(config_path(ctx))
    number = process.pid(config)
    answers = process.is_up(config)
    if output is Format.JSON:
        show_json({"pid": number, "answers": answers, "socket": str(config.socket)})
    elif answers:
        out.print(f"The seed runs (process {number}) and answers on {config.socket}")
    else:
        out.print(f"No seed answers on {config.socket}: start it with `undercloud seed start`")
    raise typer.Exit(0 if answers else 1)
