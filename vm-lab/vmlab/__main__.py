"""`python -m vmlab`: the lab alone, where the rest of the command is being worked on."""

from vmlab.cli import app

app(prog_name="vmlab")
