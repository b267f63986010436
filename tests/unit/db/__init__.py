"""What of the database needs no database."""
