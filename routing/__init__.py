"""Which platform answers, and why: pure functions over frozen values.

Nothing here knows Ray, HTTP, a vendor or the time of day. What the rest of
SupportMax says about a call (messages, requests, usage, money, outcomes, errors)
is said in the words defined in this package.
"""
