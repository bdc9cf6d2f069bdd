"""What BMCs are asked for operators: looks and harmless changes at once, everything else as runs."""
