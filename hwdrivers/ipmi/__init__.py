"""BMCs that speak IPMI 2.0 over LAN."""
