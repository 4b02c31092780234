"""Real-time scheduling and locked memory."""

import ctypes
import os

#: The lowest real-time priority: above all ordinary processes, below the kernel's own threads.
PRIORITY = 1
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def schedule() -> None:
    """Set SCHED_RR for this process; its children (scripts) have ordinary scheduling. Raises
    OSError (EPERM: CAP_SYS_NICE or RLIMIT_RTPRIO)."""
    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(0, policy, os.sched_param(PRIORITY))


def lock_memory() -> None:
    """Keep every page that was used once in memory. Raises OSError (ENOMEM or EPERM: CAP_IPC_LOCK
    or RLIMIT_MEMLOCK)."""
    libc = ctypes.CDLL(None, use_errno=True)
    # MCL_ONFAULT leaves out pages that are never used: without it, unused stacks and libraries
    # would double our memory.
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
