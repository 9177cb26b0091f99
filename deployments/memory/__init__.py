"""Memory wired from the settings, and its commands."""
