"""The fault matrix: whatever a provider does, the caller, the log and the books are told the truth.

Each *kind* of fault says what a provider sends and what is true of it. An oracle, which knows the
specification and nothing of the server, turns that into what must follow; a real server, called
over gRPC, is held against it.
"""
