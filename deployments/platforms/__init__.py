"""One package per vendor, each a pair: `codec.py` is pure translation, `adapter.py` owns the client.

Everything above speaks the words of `routing.exchange`; everything a vendor says is
known to one codec alone. A new platform is a simulator, a codec, an adapter and a
row in `registry.py`.
"""
