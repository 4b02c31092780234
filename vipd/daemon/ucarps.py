"""Which groups the real ucarps on this host run: read from their command lines."""

from vipd.config.numbers import strtoul
from vipd.config.options import from_arguments
from vipd.linux.names import canonical
from vipd.linux.processes import ucarps
from vipd.linux.tenancy import Group


def running_ucarps() -> dict[Group, int]:
    """The groups that real ucarps run in our network namespace, and their processes."""
    found = {}
    for process, arguments in ucarps():
        line = from_arguments(arguments)
        interface, vhid = line.last("interface"), line.last("vhid")
        if interface and interface.value and vhid and vhid.value:
            found[canonical(interface.value.text), strtoul(vhid.value.text).value] = process
    return found
