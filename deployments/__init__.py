"""Where SupportMax meets the world: HTTP, vendors, identity, processes, and the wiring of it all."""
