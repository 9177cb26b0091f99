"""The Gemini models the simulator serves."""

MAX_OUTPUT_TOKENS = 65_536

# Names: the model literal of google-genai 2.34.0.
_STAGES = {
    "gemini-4-argon": "GA",
    "gemini-3.8-flash": "GA",
    "gemini-3.7-flash": "GA",
    "gemini-3.6-flash": "GA",
    "gemini-3.5-flash": "GA",
    "gemini-3.5-flash-lite": "GA",
    "gemini-3.1-flash-lite": "GA",
    "gemini-3.1-pro-preview": "PUBLIC_PREVIEW",
}
MODELS = tuple(_STAGES)


def describe_model(model: str) -> dict[str, object] | None:
    """Return a publisher model as Google lists it, or None; the day it ends is not told there."""
    if model not in _STAGES:
        return None
    return {
        "name": f"publishers/google/models/{model}",
        "versionId": "default",
        "openSourceCategory": "PROPRIETARY",
        "launchStage": _STAGES[model],
        "publisherModelTemplate": (
            f"projects/{{project}}/locations/{{location}}/publishers/google/models/{model}"
        ),
    }
