"""vipd: floating IP addresses with CARP, a drop-in replacement for the EPEL ucarp service."""

__version__ = "0.1.0"
