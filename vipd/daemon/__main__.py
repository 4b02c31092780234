"""The vipd program. Importing it takes a while; a signal during that time must not end it."""

import gc
import signal
from contextlib import suppress

from vipd.daemon.files.reading_process import ReadingProcess
from vipd.daemon.options import parser
from vipd.without_tls import without_tls


def main() -> None:
    """Block the signals that are requests until their handlers are set (`vipd.daemon.main`)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2))
    options = parser().parse_args()
    gc.disable()  # until everything is imported: that leaves nothing to collect
    reading = None
    with suppress(OSError):  # it is started when the files are to be read, or it is said why not
        # Both import what they need at the same time.
        reading = ReadingProcess()
    with without_tls():
        from vipd.daemon.main import run

    run(options, reading)


if __name__ == "__main__":
    main()
