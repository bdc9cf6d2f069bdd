"""Hand running hosts over to what they are for: one file per role, and the inventory for what comes after."""
