"""`supportmax agent-engine`: list, show and delete what is deployed on Google's Agent Engine.

Google's client for it takes 224 MB and seconds to load, and is an extra of its own: it is
loaded by name, here and only when asked for. No replica ever sees it.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any

import httpx2
from google.auth.exceptions import GoogleAuthError
from google.genai.errors import APIError
from google.genai.types import HttpOptions
from pydantic import BaseModel

from config.extras import install
from config.platforms import GoogleVertexSettings
from deployments.platforms.vertex.address import base_url
from routing.errors import SupportMaxError

# One page of Google's holds 100; who has more agents than this filters in the console.
MAX_LISTED = 1_000
# Google answers within a second or two; deleting goes on behind its answer.
TIMEOUT_S = 30.0

_MODULE = "agentplatform"


class AgentEngineFailed(SupportMaxError):
    """Google refused, or was not reached; or there is no client to ask it with."""

    code = "agent_engine_failed"


@dataclass(frozen=True, slots=True)
class Place:
    """Where agents are deployed, and the address it is reached at."""

    project: str
    location: str
    address: str


def place_of(
    settings: GoogleVertexSettings | None, project: str | None, location: str | None
) -> Place:
    """What was asked for, else where the configured agent is, else where its platform is.

    Raises:
        AgentEngineFailed: Nothing names a project.
    """
    configured = GoogleVertexSettings() if settings is None else settings
    # projects/<project>/locations/<location>/reasoningEngines/<id>
    named = (configured.agent_engine or "").split("/")
    is_named = len(named) == 6
    found = project or (named[1] if is_named else configured.project_id)
    if not found:
        message = (
            "no project is configured; give --project, or write platforms.google_vertex.project_id"
        )
        raise AgentEngineFailed(message)
    where = location or (named[3] if is_named else configured.location)
    return Place(found, where, base_url(where))


def show_all(place: Place) -> None:
    """Print the agents of a place, one a line.

    Raises:
        AgentEngineFailed: see there.
    """
    with _runtimes(place) as runtimes:
        for runtime in islice(runtimes.list(), MAX_LISTED):
            engine = _read(runtime)
            sys.stdout.write(f"{engine.name}  {_day(engine.create_time)}  {engine.display_name}\n")


def show(place: Place, engine: str) -> None:
    """Print one agent and the methods it has.

    Raises:
        AgentEngineFailed: see there.
    """
    with _runtimes(place) as runtimes:
        found = _read(runtimes.get(name=_name(place, engine)))
    methods = ", ".join(
        str(method.get("name", "?")) for method in (found.spec.class_methods if found.spec else [])
    )
    for label, value in (
        ("name", found.name),
        ("display name", found.display_name),
        ("description", found.description),
        ("created", _day(found.create_time)),
        ("updated", _day(found.update_time)),
        ("methods", methods),
    ):
        sys.stdout.write(f"{label:<12}  {value or '-'}\n")


def delete(place: Place, engine: str, *, force: bool) -> None:
    """Have one agent deleted; `force` takes along its sessions and memories.

    Google says that it has begun, and ends it later.

    Raises:
        AgentEngineFailed: see there.
    """
    name = _name(place, engine)
    with _runtimes(place) as runtimes:
        operation = runtimes.delete(name=name, force=force)
    if operation.error:
        raise AgentEngineFailed(f"{name} was not deleted: {operation.error.get('message', '')}")
    sys.stdout.write(f"{name} is being deleted: {operation.name}\n")


class _Spec(BaseModel):
    class_methods: list[dict[str, object]] = []


class _Engine(BaseModel):
    name: str = ""
    display_name: str | None = None
    description: str | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    spec: _Spec | None = None


@contextmanager
def _runtimes(place: Place) -> Iterator[Any]:
    """What Google's client calls deployed agents; its failures leave as one sentence."""
    if find_spec(_MODULE) is None:
        raise AgentEngineFailed(
            f"this command needs Google's client, which is not installed; {install('agent-engine')}"
        )
    with warnings.catch_warnings():
        # All of it is experimental, and says so at every turn.
        warnings.simplefilter("ignore")
        try:
            with httpx2.Client(timeout=TIMEOUT_S) as http:
                client = import_module(_MODULE).Client(
                    project=place.project,
                    location=place.location,
                    http_options=HttpOptions(base_url=place.address, httpx_client=http),
                )
                yield client.runtimes
        except APIError as error:
            said = f"Google answers {error.code} {error.status or ''}: {error.message}"
            raise AgentEngineFailed(_line(said)) from error
        except GoogleAuthError as error:
            raise AgentEngineFailed(_line(f"no credentials for Google: {error}")) from error
        except httpx2.HTTPError as error:
            said = f"{place.address} was not reached: {type(error).__name__}: {error}"
            raise AgentEngineFailed(_line(said)) from error


def _read(runtime: Any) -> _Engine:
    return _Engine.model_validate(runtime.api_resource.model_dump(exclude_none=True))


def _name(place: Place, engine: str) -> str:
    """The full name of an agent that may be called by its number."""
    if "/" in engine:
        return engine
    return f"projects/{place.project}/locations/{place.location}/reasoningEngines/{engine}"


def _day(at: datetime | None) -> str:
    return "-" if at is None else f"{at:%Y-%m-%d}"


def _line(text: str) -> str:
    return " ".join(text.split())
