"""Stand-ins for ports, kept honest by the contract suites."""
