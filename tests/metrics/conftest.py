"""One host with one vipd on it, in a lab where nobody else speaks CARP."""

from helpers.hosts import files, web01, web02

__all__ = ["files", "web01", "web02"]
