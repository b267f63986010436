"""The pipeline without a database."""
