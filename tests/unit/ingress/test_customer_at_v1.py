"""Whom a request at /v1 is about: its caller's word counts as far as they may ask about others."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deployments.agent.pseudonym import Pseudonyms
from deployments.ingress.compatible import Compatible
from deployments.ingress.openai_chat import ChatCompletions
from deployments.ingress.openai_chat_schema import ChatCompletionsBody
from deployments.ingress.routes import Call
from deployments.privacy.find import Finder
from deployments.privacy.known import Fact, Known
from deployments.privacy.sealer import Sealer
from deployments.security.principal import Principal
from deployments.security.rbac import load_roles
from routing.clock import ManualClock
from routing.exchange import ChatRequest

RECORDS = {"user_999": Known((Fact("name", "Jane Doe"),))}
GUESSES = "Spell each: Adam, Jane, Kate, Doe"


class Keys:
    async def ready(self, _tenant: str) -> None:
        """At hand."""

    def derive(self, _tenant: str, _purpose: str) -> bytes:
        return b"k" * 32


class People:
    async def known_of(self, _tenant: str, customer: str | None) -> Known:
        return RECORDS.get(customer or "", Known(()))


class Departed(Exception):
    """The road was taken; what comes after it is not of interest here."""


class Road:
    def __init__(self) -> None:
        self.told = ""
        self.payer: str | None = None

    async def depart(self, payer: Any, request: ChatRequest, *_rest: object) -> None:
        self.payer, self.told = payer.user, cast("Any", request.messages[-1]).text
        raise Departed


def sent_by(role: str) -> Road:
    """What leaves when somebody of that role names user_999 and guesses at their name."""
    principal = Principal("acme", "okta:mallory", frozenset({role}), load_roles().grants[role])
    body = ChatCompletionsBody.model_validate(
        {"model": "auto", "user": "user_999", "messages": [{"role": "user", "content": GUESSES}]}
    )

    async def read() -> bytes:
        return b"{}"

    call = Call(principal, body, cast("Any", SimpleNamespace(body=read, headers={})))
    catalog = SimpleNamespace(profiles=(), platforms={}, by_target={})
    road = Road()
    nothing: Any = SimpleNamespace(at=lambda _now: catalog, find=lambda _model: None)
    sealer, named = Sealer(Finder(), Keys(), People()), Pseudonyms(Keys())
    routes = Compatible(
        cast("Any", road), nothing, 100, ManualClock(), 10**6, nothing, nothing, named, sealer
    )
    with pytest.raises(Departed):
        asyncio.run(routes._answer(call, ChatCompletions()))
    return road


def test_a_customer_who_names_another_learns_nothing_of_them_and_pays_as_themselves() -> None:
    """Which of many guesses were sealed would tell the other's name."""
    road = sent_by("customer")
    assert road.told == GUESSES
    assert road.payer == "okta:mallory"


def test_of_whom_an_agent_names_the_record_is_sealed() -> None:
    road = sent_by("agent")
    assert "Jane" not in road.told
    assert "Doe" not in road.told
    assert "Adam" in road.told
    assert road.payer == "user_999"
