"""Audit: reading, verifying and exporting the ledger."""
