"""From a text that an operator typed to a machine that we can control."""
