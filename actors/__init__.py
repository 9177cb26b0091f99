"""What remembers: each package owns one kind of state.

An owner is up to three files: `state.py` decides and is pure, `actor.py` runs it on
Ray, `client.py` lets others call it with types.
"""
