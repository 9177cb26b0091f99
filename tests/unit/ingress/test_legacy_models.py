"""The model names of yesterday on the vendors' routes: whoever succeeded them answers."""

from dataclasses import replace

import pytest

from deployments.ingress.vendor_limits import limits_of
from routing.catalog import Catalog
from routing.errors import RequestError
from tests.unit.routing.worlds import platform


def catalog(**models: str) -> Catalog:
    return Catalog(replace(platform(name), model=model) for name, model in models.items())


ALL = catalog(azure_openai="gpt-6-luna", openai="gpt-6.1-terra", anthropic="claude-sonnet-5-5")


@pytest.mark.parametrize(
    ("model", "platform_name"),
    [
        ("gpt-4", "openai"),
        ("gpt-3.5-turbo", "azure_openai"),
        ("gpt-4o", "azure_openai"),
        ("claude-3-sonnet-20240229", "anthropic"),
        ("claude-3-opus-20240229", "anthropic"),
        ("claude-sonnet-4-5", "anthropic"),
    ],
)
def test_a_model_that_was_shut_down_or_will_be_is_answered_by_who_succeeded_it(
    model: str, platform_name: str
) -> None:
    """Its very successor where that is configured, else another of the same vendor's."""
    assert limits_of(model, {}, ALL).platform == platform_name


@pytest.mark.parametrize("model", ["claude-3-opus-20240229", "gpt-5.9-invented", "gemini-pro"])
def test_another_vendors_model_takes_nobodys_place(model: str) -> None:
    """Who asks for Claude is not answered by GPT without having said so."""
    with pytest.raises(RequestError) as caught:
        limits_of(model, {}, catalog(openai="gpt-6.1-terra"))
    assert caught.value.code == "model_not_found"


def test_a_retiring_model_that_is_configured_is_asked_itself() -> None:
    """It still answers."""
    both = catalog(openai="gpt-6-luna", azure_openai="gpt-4o")
    assert limits_of("gpt-4o", {}, both).platform == "azure_openai"
