"""Watch the power of every node: sweep, judge, report, restore or accept."""
