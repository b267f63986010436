"""Units of work on rows in memory."""
