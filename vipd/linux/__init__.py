"""The kernel's side: packet sockets, announcements, addresses and links."""
