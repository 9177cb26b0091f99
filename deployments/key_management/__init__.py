"""Key providers that meet the outside world, and the store opened with its keys.

Every provider is a module of its own and alone knows its SDK, which is imported when it is used.
"""
