"""Hosts to run on, and a directory for their files."""

from helpers.hosts import files, web01, web02

__all__ = ["files", "web01", "web02"]
