"""Whether a platform's wire can carry a request: its tools, its schemas and its images.

What cannot be said to one platform may be said to another, so each finding is a reason
against this platform, not a refusal of the request.
"""

import re
from collections.abc import Iterator, Sequence

from routing.capability import Capability
from routing.estimate import TaskFacts
from routing.platform_profile import PlatformProfile
from routing.reason import Reason
from routing.schema_findings import Complaint, Findings
from routing.tool_schema import Dialect

MAX_TOOLS_NAMED = 5
"""Tools named one by one; whoever has more to correct corrects these first."""


def inexpressible(profile: PlatformProfile, facts: TaskFacts) -> Iterator[Reason]:
    """What of the request this platform cannot be told.

    A platform that lacks the ability altogether is left to the reason that says so.
    """
    abilities = profile.capabilities
    if facts.tools and Capability.FUNCTION_CALLING in abilities:
        yield from _tools(profile, facts)
    if facts.response_schema is not None and Capability.JSON_SCHEMA in abilities:
        yield from _response(profile, facts)
    if facts.images and Capability.VISION in abilities:
        yield from _images(profile, facts)
    if profile.limits.strict_tools is not None:
        yield from _rations(profile, facts)


def _tools(profile: PlatformProfile, facts: TaskFacts) -> Iterator[Reason]:
    limits, tools = profile.limits, facts.tools
    found = _of_tools(facts, limits.dialect)
    if limits.tools is not None and len(tools) > limits.tools:
        yield _too_many(profile, "too_many_tools", "tools", len(tools), limits.tools)
    findings: list[Reason] = []
    for index, tool in enumerate(tools):
        if len(findings) >= MAX_TOOLS_NAMED:
            break
        if limits.tool_name is not None and not re.fullmatch(limits.tool_name, tool.name):
            detail = f"{profile.name}: the tool name {tool.name!r} must match {limits.tool_name}"
            findings.append(Reason("tool_name", detail, "/tools"))
        if found and (wrong := found[index].complaints):
            findings.append(_schema(profile, "tool_schema", f"tool {tool.name}", "/tools", wrong))
    yield from findings[:MAX_TOOLS_NAMED]


def _response(profile: PlatformProfile, facts: TaskFacts) -> Iterator[Reason]:
    schema, dialect = facts.response_schema, profile.limits.dialect
    if schema is None or dialect is None:
        return
    if wrong := facts.findings_of_response(dialect).complaints:
        what, where = f"response schema {schema.name}", "/response_schema"
        yield _schema(profile, "response_schema", what, where, wrong)


def _rations(profile: PlatformProfile, facts: TaskFacts) -> Iterator[Reason]:
    """What Anthropic rations over all strict schemas of a request together."""
    limits = profile.limits
    found = [*_of_tools(facts, limits.dialect)]
    if facts.response_schema is not None and limits.dialect is not None:
        found.append(facts.findings_of_response(limits.dialect))
    for code, what, count, limit in (
        (
            "too_many_strict_tools",
            "strict tools",
            sum(tool.strict for tool in facts.tools),
            limits.strict_tools,
        ),
        (
            "strict_schemas",
            "optional parameters in strict schemas",
            sum(findings.optionals for findings in found),
            limits.strict_optionals,
        ),
        (
            "strict_schemas",
            "parameters of several types in strict schemas",
            sum(findings.unions for findings in found),
            limits.strict_unions,
        ),
    ):
        if limit is not None and count > limit:
            yield _too_many(profile, code, what, count, limit)


def _of_tools(facts: TaskFacts, dialect: Dialect | None) -> Sequence[Findings]:
    return () if dialect is None else facts.findings_of_tools(dialect)


def _images(profile: PlatformProfile, facts: TaskFacts) -> Iterator[Reason]:
    limits = profile.limits
    kinds = {image.media_type for image in facts.images if image.media_type is not None}
    for kind in sorted(kinds - limits.image_types):
        taken = ", ".join(sorted(limits.image_types))
        detail = f"{profile.name} takes {taken}, not {kind}"
        yield Reason("image_type", detail, "/images")
    if limits.names_image_types and any(image.media_type is None for image in facts.images):
        detail = f"{profile.name} takes the address of an image only if it ends like .png or .jpg"
        yield Reason("image_url", detail, "/images")


def _too_many(profile: PlatformProfile, code: str, what: str, count: int, limit: int) -> Reason:
    detail = f"{profile.name} ({profile.model}) takes at most {limit} {what}, not {count}"
    return Reason(code, detail, "/tools", float(limit), count / limit - 1 if limit else 1.0)


def _schema(
    profile: PlatformProfile, code: str, what: str, where: str, found: Sequence[Complaint]
) -> Reason:
    said = "; ".join(str(complaint) for complaint in found)
    return Reason(code, f"{profile.name} cannot express the {what}: {said}", where)
