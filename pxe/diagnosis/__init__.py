"""Why does it not boot? From what was seen of one boot attempt to the hop that failed and what to do."""
