"""The steps of the lifecycle, one file each."""
