"""Interfaces to the Linux kernel: packet sockets, announcements, addresses and links."""
