"""Named flows replayed on every store."""
