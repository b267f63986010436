"""Rate limits: providers' slots and identities' windows."""
