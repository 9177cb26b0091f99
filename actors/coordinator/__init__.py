"""Cost, latency and health of every platform of a region: folded in one place, read everywhere."""
