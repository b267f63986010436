"""One lane a file: A to G, and what stands in for A to E when a query is resumed."""
