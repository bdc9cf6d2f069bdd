"""What is seen on the wire of machines that boot, in a capture file or live, as milestones."""
