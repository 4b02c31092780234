"""pyroute2's netlink messages, without the rest of pyroute2.

To import any part of pyroute2 runs its ``__init__``, which imports all of it, including a database
and a 9P client: 7 MB and 0.1 s for a daemon that needs two classes. While these are imported, an
empty package takes its place; afterwards ``import pyroute2`` works as usual.
"""

import logging
import sys
from importlib.util import find_spec
from types import ModuleType

# It warns about traffic control, which we do not use, if /proc/net is hidden (ProcSubset=pid).
logging.getLogger("pyroute2").setLevel(logging.ERROR)
_bare = "pyroute2" not in sys.modules and find_spec("pyroute2")
if _bare:
    _package = ModuleType("pyroute2")
    _package.__path__ = list(_bare.submodule_search_locations or ())
    sys.modules["pyroute2"] = _package
try:
    from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD, ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
finally:
    if _bare:
        del sys.modules["pyroute2"]

__all__ = ["IFA_F_NODAD", "ifaddrmsg", "ifinfmsg"]
