"""Build the bytes that machines are given: the deploy ramdisk, the OS image, the role containers."""
