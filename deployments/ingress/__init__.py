"""The HTTP side: from bytes to a question somebody may ask, and from an answer to bytes."""
