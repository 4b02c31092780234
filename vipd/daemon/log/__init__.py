"""The log: its lines, their formats, and their output."""
