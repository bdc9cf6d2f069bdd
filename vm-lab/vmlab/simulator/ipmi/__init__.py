"""The simulated BMCs' IPMI 2.0 side."""
