"""The Claude models the simulator serves, and the one which is about to retire."""

from dataclasses import dataclass

MAX_INPUT_TOKENS = 1_000_000
MAX_OUTPUT_TOKENS = 128_000


@dataclass(frozen=True, slots=True)
class _Model:
    display_name: str
    line: str
    retires_at: str | None = None


_SONNET_4_5_ENDS = "2026-11-30T00:00:00Z"

# Names: anthropic.types.ModelParam; retirement: DEPRECATED_MODELS; both anthropic 2.12.0.
_MODELS = {
    "claude-fable-5-2": _Model("Claude Fable 5.2", "fable"),
    "claude-mythos-5-2": _Model("Claude Mythos 5.2", "mythos"),
    "claude-opus-5-5": _Model("Claude Opus 5.5", "opus"),
    "claude-sonnet-5-5": _Model("Claude Sonnet 5.5", "sonnet"),
    "claude-haiku-5-5": _Model("Claude Haiku 5.5", "haiku"),
    "claude-fable-5-1": _Model("Claude Fable 5.1", "fable"),
    "claude-mythos-5-1": _Model("Claude Mythos 5.1", "mythos"),
    "claude-opus-5": _Model("Claude Opus 5", "opus"),
    "claude-sonnet-5": _Model("Claude Sonnet 5", "sonnet"),
    "claude-opus-4-8": _Model("Claude Opus 4.8", "opus"),
    "claude-opus-4-6": _Model("Claude Opus 4.6", "opus"),
    "claude-sonnet-4-6": _Model("Claude Sonnet 4.6", "sonnet"),
    "claude-haiku-4-5": _Model("Claude Haiku 4.5", "haiku"),
    "claude-sonnet-4-5": _Model("Claude Sonnet 4.5", "sonnet", _SONNET_4_5_ENDS),
    "claude-sonnet-4-5-20250929": _Model("Claude Sonnet 4.5", "sonnet", _SONNET_4_5_ENDS),
}
MODELS = tuple(_MODELS)


def describe_model(model: str) -> dict[str, object] | None:
    """Return a model as `GET /v1/models/{id}` does, or None if there is no such model."""
    if model not in _MODELS:
        return None
    known = _MODELS[model]
    return {
        "type": "model",
        "id": model,
        "display_name": known.display_name,
        "line": known.line,
        # The epoch is what Anthropic says when it does not tell a release date.
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "deprecated" if known.retires_at else "active",
        "deprecated_at": "2026-05-30T00:00:00Z" if known.retires_at else None,
        "retires_at": known.retires_at,
        "max_input_tokens": MAX_INPUT_TOKENS,
        "max_tokens": MAX_OUTPUT_TOKENS,
        "capabilities": None,
    }
