"""Small clients in other languages, built on stubs generated from the contract."""
