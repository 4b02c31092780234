"""Asking other hosts: which, how, and what their answers mean."""
