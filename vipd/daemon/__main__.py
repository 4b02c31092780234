"""The vipd program. Importing it takes a while; a signal during that time must not end it."""

import signal


def main() -> None:
    """Block the signals that are requests until their handlers are set (`vipd.daemon.main`)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2))
    from vipd.daemon.main import main as run

    run()


if __name__ == "__main__":
    main()
