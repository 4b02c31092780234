"""Every test here starts with hosts, as those of an owner do."""

from helpers.hosts import files, web01, web02
from owner.conftest import group, report

__all__ = ["files", "group", "report", "web01", "web02"]
