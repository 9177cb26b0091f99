"""How an optional part of SupportMax is installed, in one form of words."""

import sys


def install(extra: str) -> str:
    """The command for `extra`, with the versions that are locked: the package index has no SupportMax."""
    return (
        f"from SupportMax's folder: uv pip install --python {sys.executable} "
        f"-c requirements.lock '.[{extra}]' (uv is .uv/bin/uv where there is no other)"
    )
