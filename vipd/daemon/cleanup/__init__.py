"""What is done for a daemon that was killed: written down while it lives, carried out after."""
