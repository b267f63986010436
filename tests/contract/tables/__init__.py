"""Every table keeps what is put into it, on every store."""
