"""The control socket: connections, methods, and what they report."""
