"""OpenAI's Responses API as Azure serves it."""
