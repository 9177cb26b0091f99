"""Clients of a running SupportMax for plain Python: what a script beside it imports."""

from deployments.clients.answer import (
    Answer,
    Decided,
    Delta,
    Done,
    Event,
    Grounded,
    Handoff,
    Other,
    Resumed,
)
from deployments.clients.claude import ClaudeAnswer, ClaudeIntegration
from deployments.clients.copilot import CopilotStudio
from deployments.clients.door import Door, address_and_key
from deployments.clients.google_wire import FunctionCall, GeneratedContent
from deployments.clients.mcp_gateway import Context, MCPGateway, Passage
from deployments.clients.openai_assistant import AssistantRun, AssistantThread, OpenAIAssistant
from deployments.clients.problem import Problem
from deployments.clients.unified import UnifiedAgent
from deployments.clients.vertex import VertexAIAgent

__all__ = [
    "Answer",
    "AssistantRun",
    "AssistantThread",
    "ClaudeAnswer",
    "ClaudeIntegration",
    "Context",
    "CopilotStudio",
    "Decided",
    "Delta",
    "Done",
    "Door",
    "Event",
    "FunctionCall",
    "GeneratedContent",
    "Grounded",
    "Handoff",
    "MCPGateway",
    "OpenAIAssistant",
    "Other",
    "Passage",
    "Problem",
    "Resumed",
    "UnifiedAgent",
    "VertexAIAgent",
    "address_and_key",
]
