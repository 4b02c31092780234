"""The capabilities that vipd needs."""

from pathlib import Path

_NEEDED = {
    12: ("CAP_NET_ADMIN", "to put addresses on interfaces"),
    13: ("CAP_NET_RAW", "to send and receive CARP packets"),
}


def missing() -> tuple[str, ...]:
    """The missing capabilities, each as "CAP_NAME (what it is needed for)"; empty if none is."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    effective = int(line.split()[1], 16)
    return tuple(
        f"{name} ({purpose})"
        for bit, (name, purpose) in _NEEDED.items()
        if not effective >> bit & 1
    )
