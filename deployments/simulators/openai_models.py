"""The OpenAI models the simulator serves: those alive, and when the announced ones will end."""

# Shutdown dates: the docstring of openai.types.shared.ChatModel, openai 3.54.0.
_SHUTDOWN: dict[str, str | None] = {
    "gpt-6.2-astra": None,
    "gpt-6.2-sol": None,
    "gpt-6.1-sol": None,
    "gpt-6.1-terra": None,
    "gpt-6-astra": None,
    "gpt-6-sol": None,
    "gpt-6-luna": None,
    "gpt-5.6-sol": None,
    "gpt-5.6-terra": None,
    "gpt-5.6-luna": None,
    "gpt-5.5": None,
    "gpt-5.5-2026-04-23": None,
    "gpt-5.4": None,
    "gpt-5.4-mini": None,
    "gpt-5.4-nano": "2027-04-01",
    "gpt-5.4-nano-2026-03-17": "2027-04-01",
    "gpt-5.2": None,
    "gpt-5.1": "2027-04-01",
    "gpt-5.1-2025-11-13": "2027-04-01",
    "gpt-5": "2026-12-11",
    "gpt-5-2025-08-07": "2026-12-11",
    "gpt-5-mini": "2026-12-11",
    "gpt-5-mini-2025-08-07": "2026-12-11",
    "gpt-5-nano": "2026-12-11",
    "gpt-5-nano-2025-08-07": "2026-12-11",
    "gpt-4.1": "2027-01-14",
    "gpt-4.1-2025-04-14": "2027-01-14",
    "gpt-4.1-mini": "2027-01-14",
    "gpt-4.1-mini-2025-04-14": "2027-01-14",
    "gpt-4o": "2027-01-14",
    "gpt-4o-2024-08-06": "2027-01-14",
    "gpt-4o-2024-11-20": "2027-01-14",
    "gpt-4o-mini": "2027-01-14",
    "gpt-4o-mini-2024-07-18": "2027-01-14",
    "o3": "2026-12-11",
    "o3-2025-04-16": "2026-12-11",
}
MODELS = tuple(_SHUTDOWN)

_RELEASED = 1_775_000_000  # some day in April 2026; nobody has asked for the true one


def describe_model(model: str) -> dict[str, object] | None:
    """Return a model as `GET /v1/models/{id}` does, or None if there is no such model."""
    if model not in _SHUTDOWN:
        return None
    return {
        "id": model,
        "object": "model",
        "created": _RELEASED,
        "owned_by": "system",
        "shutdown_date": _SHUTDOWN[model],
    }


def takes_temperature(model: str) -> bool:
    """Whether a model lets its caller choose temperature and top_p; reasoning models do not."""
    return model.startswith("gpt-4")
