"""SCIM 2.0 (RFC 7643 and 7644) as its clients speak it: the only place that knows the library's models."""
