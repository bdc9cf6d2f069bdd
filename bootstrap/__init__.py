"""The `undercloud` command."""
