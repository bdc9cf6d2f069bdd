"""What the seed knows and does."""
