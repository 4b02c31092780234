"""The configuration files: seen to change, and read again beside the loop."""
