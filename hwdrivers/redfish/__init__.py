"""BMCs that speak Redfish (DSP0266)."""
