"""What happened: published once, kept, and counted."""
