"""Boot media: an ISO image for each ramdisk, with each machine's own part laid over it."""
