"""Who calls, in which identity, and what reached over its boundary."""
