"""The VIPs that run: what starts and ends them, and what each of them does."""
