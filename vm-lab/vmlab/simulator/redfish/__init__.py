"""The simulated BMCs' Redfish side."""
