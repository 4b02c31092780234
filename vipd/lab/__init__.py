"""Hosts, cables and faults in network namespaces on one machine."""
