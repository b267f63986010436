"""A database of release 0009 as its own servers left it, and what they answered from it.

`rows.load` puts it into a blank database of either store; `make` says how it was made.
"""
