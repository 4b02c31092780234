"""What travels between the daemon and its tools. Imports neither of them."""
