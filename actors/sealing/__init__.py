"""Data at rest: texts are sealed under their tenant's data key, and data keys are wrapped by a key provider.

Pure but for the clock and what it is given: a `KeyStore` for wrapped keys, a `KeyProvider` for the
key that wraps them. `KeyRing` is where others begin.
"""
