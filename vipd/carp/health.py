"""What the checks of a host say, as far as the election of one group is concerned."""

from enum import Enum


class Health(Enum):
    """WELL: nothing ails this host. UNKNOWN: no check has failed, and one has no verdict yet. SICK:
    something that the addresses need has failed."""

    WELL = "well"
    UNKNOWN = "unknown"
    SICK = "sick"
