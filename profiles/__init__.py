"""What a node should become."""
