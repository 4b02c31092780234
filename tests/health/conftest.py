"""This thread as a host of the lab (see tests/linux)."""

from linux.conftest import web01, web02

__all__ = ["web01", "web02"]
