"""CARP without I/O: packets, digests, timing and the state machine."""
