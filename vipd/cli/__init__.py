"""The vipctl command line."""
