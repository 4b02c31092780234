"""Events: they are published once, kept in the history, and counted."""
