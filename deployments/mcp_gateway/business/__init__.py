"""Business tools: how a company declares one, and how it is run once, within limits."""
