"""Ahead of everything else: real-time scheduling, and no page of ours swapped out."""

import ctypes
import os

#: The lowest real-time priority: before all ordinary processes, behind the kernel's own threads.
PRIORITY = 1
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def schedule() -> None:
    """SCHED_RR for this process; its children (scripts) start as ordinary ones. Raises OSError
    (EPERM: CAP_SYS_NICE or RLIMIT_RTPRIO)."""
    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(0, policy, os.sched_param(PRIORITY))


def lock_memory() -> None:
    """Keep every page that was touched once in memory. Raises OSError (ENOMEM or EPERM:
    CAP_IPC_LOCK or RLIMIT_MEMLOCK)."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Pages that are never touched need not be there: without this, stacks and libraries that
    # nobody uses would double what we take.
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
