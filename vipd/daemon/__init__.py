"""The daemon: brings config, carp and linux together on one event loop."""
