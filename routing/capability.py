"""What a platform can do, as a closed set of words a caller may require."""

from enum import StrEnum


class Capability(StrEnum):
    """One ability; requirements and profiles are sets of these."""

    STREAMING = "streaming"
    FUNCTION_CALLING = "function_calling"
    PARALLEL_TOOLS = "parallel_tools"
    JSON_SCHEMA = "json_schema"
    SYSTEM_PROMPT = "system_prompt"
    TEMPERATURE = "temperature"
    VISION = "vision"
    REASONING = "reasoning"
