"""The metrics, as text, over HTTP."""
