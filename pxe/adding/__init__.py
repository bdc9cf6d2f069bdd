"""Images that others made: fetched, checked, looked into, and put beside those that are built here."""
