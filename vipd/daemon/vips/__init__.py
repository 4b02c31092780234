"""The VIPs that run: who starts and ends them, and what each of them does."""
