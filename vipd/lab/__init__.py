"""A lab in network namespaces of one machine: hosts, cables and faults."""

from vipd.lab.errors import LabError
from vipd.lab.host import Cable, Host
from vipd.lab.lab import Lab
from vipd.lab.observer import Gap, Observer, Watch
from vipd.lab.ownership import Change, Ownership
from vipd.lab.process import Process

__all__ = [
    "Cable",
    "Change",
    "Gap",
    "Host",
    "Lab",
    "LabError",
    "Observer",
    "Ownership",
    "Process",
    "Watch",
]
