"""A second, tiny process that takes the addresses off when the daemon dies, or is frozen for longer
than its leases."""
