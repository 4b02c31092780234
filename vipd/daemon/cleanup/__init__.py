"""Clean-up after a daemon that was killed: it is written down while the daemon runs, and carried
out when it has ended."""
