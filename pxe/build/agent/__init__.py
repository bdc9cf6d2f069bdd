"""What our ramdisk adds to the official agent: a hardware manager that streams images to disks.

This package runs inside the ramdisk, installed there as `undercloud_agent` (pxe/build/agent_package.py): it
imports nothing of ours. Only `hardware` needs the agent itself, all else runs and is tested anywhere.
"""
