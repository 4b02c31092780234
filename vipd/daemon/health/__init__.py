"""Whether this host is fit to own addresses: health checks, and what is tracked."""
