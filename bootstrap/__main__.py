"""`python -m bootstrap` is `undercloud`."""

from bootstrap.cli import app

app(prog_name="undercloud")
