"""A virtual rack: machines, BMCs and a network that behave like a rack of hardware."""
