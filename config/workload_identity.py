"""Settings of a process that holds no key: whom it says it is, and how it shows it.

None of them is a secret; the tokens themselves come from files and from metadata servers.
"""

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from config.values import Section, Text


def _absolute(text: str) -> str:
    # A replica's working directory is Ray's choice.
    if not PurePosixPath(text).is_absolute():
        raise ValueError("write the whole path, such as /var/run/secrets/openai/token")
    return text


TokenFile = Annotated[Text, AfterValidator(_absolute)]
"""A file that the platform below keeps up to date; it is read anew for every exchange."""

# Which settings each provider reads.
_READ = {"kubernetes": {"token_file"}, "azure": {"audience", "client_id"}, "google": {"audience"}}


class OpenAIWorkloadIdentity(Section):
    """An identity provider and a service account, both made in OpenAI's console.

    `provider` vouches for this process: `kubernetes` by a projected `token_file`, `azure` and
    `google` by their metadata servers (`audience`: as the identity provider expects it;
    `client_id`: which of several managed identities). What is left out is the SDK's default.
    """

    identity_provider_id: Text = Field(examples=["idp_0123"])
    service_account_id: Text = Field(examples=["sa_0123"])
    provider: Literal["kubernetes", "azure", "google"] = Field(
        default="kubernetes", examples=["kubernetes"]
    )
    token_file: TokenFile | None = Field(default=None, examples=["/var/run/secrets/openai/token"])
    audience: Text | None = Field(default=None, examples=["https://api.openai.com/v1"])
    client_id: Text | None = Field(default=None, examples=["${AZURE_CLIENT_ID}"])

    @model_validator(mode="after")
    def _only_what_is_read(self) -> "OpenAIWorkloadIdentity":
        optional = {"token_file", "audience", "client_id"}
        unread = sorted(self.model_fields_set & optional - _READ[self.provider])
        if unread:
            raise ValueError(f"provider: {self.provider} reads no {' and no '.join(unread)}")
        return self


class AnthropicWorkloadIdentity(Section):
    """A federation rule made in Anthropic's console, and the projected `token_file` it trusts.

    `service_account_id` and `workspace_id` choose where the rule leaves a choice.
    """

    token_file: TokenFile = Field(examples=["/var/run/secrets/anthropic/token"])
    federation_rule_id: Text = Field(examples=["fdrl_0123"])
    organization_id: Text = Field(examples=["00000000-0000-4000-8000-000000000000"])
    service_account_id: Text | None = Field(default=None, examples=["svac_0123"])
    workspace_id: Text | None = Field(default=None, examples=["wrkspc_0123"])
