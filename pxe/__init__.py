"""What firmware asks, and the bytes it gets."""
