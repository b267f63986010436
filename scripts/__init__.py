"""What the Makefile runs besides the project's own commands."""
