"""Which provider a browser is led to: the one that was named, or the only one there is."""

import pytest

from deployments.security.chosen_provider import chosen_provider
from routing.errors import RequestError


@pytest.mark.parametrize("asked", [None, "corp"])
def test_the_only_provider_needs_no_name(asked: str | None) -> None:
    assert chosen_provider(asked, {"corp"}, ()) == "corp"


@pytest.mark.parametrize("asked", [None, "okta", ""])
def test_without_a_name_of_one_there_is_every_kind_is_named_and_none_is_chosen(
    asked: str | None,
) -> None:
    """Also where one of them alone leads to pages: whoever belongs to the directory is not sent there."""
    for browsers, directories, told in (
        ({"oidc", "corp"}, {"plant"}, "corp, oidc, plant"),
        ({"oidc"}, {"plant"}, "oidc, plant"),
        (set[str](), {"plant", "mill"}, "mill, plant"),
    ):
        with pytest.raises(RequestError) as refused:
            chosen_provider(asked, browsers, directories)
        assert refused.value.code == "unknown_provider"
        assert refused.value.detail == f"Say provider, one of: {told}."


@pytest.mark.parametrize("asked", [None, "okta"])
def test_where_nobody_signs_on_the_configuration_is_named(asked: str | None) -> None:
    with pytest.raises(RequestError) as refused:
        chosen_provider(asked, (), ())
    assert "sso and sso_providers" in refused.value.detail
    assert "one of" not in refused.value.detail


@pytest.mark.parametrize(("asked", "browsers"), [("plant", {"oidc"}), (None, set[str]())])
def test_a_directory_says_that_it_takes_a_password(asked: str | None, browsers: set[str]) -> None:
    """No page of its own is there to lead to."""
    with pytest.raises(RequestError) as refused:
        chosen_provider(asked, browsers, {"plant"})
    assert refused.value.code == "invalid_request"
    assert "username and password" in refused.value.detail
