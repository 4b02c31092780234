"""The configuration files: vipd watches them, and reads them in a thread when they change."""
