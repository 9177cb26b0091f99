"""Personal data: found, replaced by tokens before it leaves, and put back for who may see it: pure."""
