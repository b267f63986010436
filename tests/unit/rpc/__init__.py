"""The transport on a real port: layers, statuses, pages, drain."""
