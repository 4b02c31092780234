"""The vipd program. Importing all of it takes a while; a signal in that time is not to end it."""

import signal


def main() -> None:
    """Keep the signals that stand for a request until somebody listens (`vipd.daemon.main`)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2))
    from vipd.daemon.main import main as run

    run()


if __name__ == "__main__":
    main()
