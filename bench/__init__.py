"""Measurements beside the real peers: ``python -m bench``. Nothing is asserted, only shown."""
