"""What is wrong on the network or on this host, found out and reported in words that help."""
