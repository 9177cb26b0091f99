"""Settings of the platforms: which a company has, how each is reached, what it may use of it."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from config.values import Credential, Number, Section, Text, WebAddress, Whole
from config.workload_identity import AnthropicWorkloadIdentity, OpenAIWorkloadIdentity
from routing.money import Price

PlatformName = Literal["openai", "anthropic", "azure_openai", "google_vertex", "copilot_studio"]


def _decimal_text(value: object) -> object:
    # 0.1 the float is not 0.1 the price; its shortest text is what was written.
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Usd = Annotated[Decimal, BeforeValidator(_decimal_text), Field(ge=0, le=100_000)]


def _agent_engine(name: str) -> str:
    if not re.fullmatch(r"projects/[^/\s]+/locations/[^/\s]+/reasoningEngines/[^/\s]+", name):
        raise ValueError(
            "write the agent's full name: projects/.../locations/.../reasoningEngines/..."
        )
    return name


class PriceOverride(Section):
    """A negotiated price in USD per million tokens; it wins over the public list."""

    input: Usd = Field(examples=[2.00])
    output: Usd = Field(examples=[10.00])
    cache_read: Usd | None = Field(default=None, examples=[0.20])
    cache_write: Usd | None = Field(default=None, examples=[2.50])

    def price(self) -> Price:
        """The override as the price that routing reckons with."""
        return Price(
            self.input,
            self.output,
            self.cache_read,
            self.cache_write,
            source="configuration",
            # One figure for writing is one for however long it is kept.
            long_cache_write=self.input if self.cache_write is None else self.cache_write,
            is_agreed=True,
        )


class Replicas(Section):
    """How many processes serve a platform, and when to add one.

    A replica makes about 1,500 calls a second; at 1.3 s an answer that is
    2,000 in flight. 200 keeps a tenth of it and leaves room while a new one starts.
    """

    min: Whole = Field(default=1, ge=1, le=1000, examples=[1])
    max: Whole = Field(default=4, ge=1, le=1000, examples=[4])
    target_in_flight: Whole = Field(default=200, ge=1, le=10_000, examples=[200])

    @model_validator(mode="after")
    def _min_is_not_above_max(self) -> "Replicas":
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max is {self.max}; write a max of {self.min}")
        return self


class PlatformSettings(Section):
    """What every platform has.

    `timeout_s` bounds one attempt. `regions` names where the vendor has agreed to process
    requests; none is no promise. `simulated` asks for the simulator even when there are
    credentials (development only).
    """

    enabled: bool = Field(default=True, examples=["true"])
    simulated: bool = Field(default=False, examples=["false"])
    # 60 s: a long answer (4,000 tokens at 80 a second) and its first token, with a little room.
    timeout_s: Number = Field(default=60.0, gt=0, le=600, examples=[60])
    # 1,000: the SDKs' own default pool.
    max_connections: Whole = Field(default=1000, ge=1, le=10_000, examples=[1000])
    replicas: Replicas = Replicas()
    quality: Number | None = Field(default=None, ge=0, le=1, examples=[0.8])
    regions: tuple[Text, ...] = Field(default=(), examples=["[us, eu]"])
    price_override: PriceOverride | None = None


class FurtherModel(Section):
    """Another model of a platform that the road may choose; a bare name stands for `model`.

    `deployment` is Azure's name for it. What is left out is known of the model, not taken
    from the platform.
    """

    model: Text = Field(examples=["gpt-6-luna"])
    deployment: Text | None = Field(default=None, examples=["support-luna"])
    max_tokens: Whole | None = Field(default=None, ge=1, le=1_000_000, examples=[4000])
    quality: Number | None = Field(default=None, ge=0, le=1, examples=[0.7])
    price_override: PriceOverride | None = None


def _named(value: object) -> object:
    return {"model": value} if isinstance(value, str) else value


class ModelSettings(PlatformSettings):
    """A platform where the caller chooses the model's limits.

    `models` are those that the road may choose beside `model`.
    """

    # 50: more than any vendor sells; a decision weighs every one of them.
    models: tuple[Annotated[FurtherModel, BeforeValidator(_named)], ...] = Field(
        default=(), max_length=50, examples=["[gpt-6-luna, gpt-6.1-sol]"]
    )
    max_tokens: Whole | None = Field(default=None, ge=1, le=1_000_000, examples=[4000])
    temperature: Number | None = Field(default=None, ge=0, le=2, examples=[0.7])


class OpenAISettings(ModelSettings):
    """OpenAI, or a server that speaks its Responses wire at `base_url`.

    `auth: workload_identity` takes the identity of the machine in place of a key. With `hosted_mcp`
    OpenAI calls reading tools by itself, at `mcp.security.resource_url`; a simulator does it only
    where `simulated` is written.
    """

    api_key: Credential | None = Field(default=None, examples=["${OPENAI_API_KEY}"])
    hosted_mcp: bool | Literal["simulated"] = Field(default=False, examples=["true"])
    model: Text = Field(default="gpt-6.1-terra", examples=["gpt-6.1-terra"])
    base_url: WebAddress | None = Field(default=None, examples=["https://us.api.openai.com/v1"])
    auth: Literal["key", "workload_identity"] = Field(default="key", examples=["key"])
    workload_identity: OpenAIWorkloadIdentity | None = Field(
        default=None, examples=["{identity_provider_id: idp_0123, service_account_id: sa_0123}"]
    )


class AnthropicSettings(ModelSettings):
    """Anthropic, or a server that speaks its Messages wire at `base_url` (without /v1).

    `auth: workload_identity` takes the identity of the machine in place of a key.
    """

    api_key: Credential | None = Field(default=None, examples=["${ANTHROPIC_API_KEY}"])
    hosted_mcp: bool | Literal["simulated"] = Field(default=False, examples=["true"])
    model: Text = Field(default="claude-sonnet-5-5", examples=["claude-sonnet-5-5"])
    base_url: WebAddress | None = Field(default=None, examples=["https://gateway.example.com"])
    auth: Literal["key", "workload_identity"] = Field(default="key", examples=["key"])
    workload_identity: AnthropicWorkloadIdentity | None = Field(
        default=None,
        examples=["{token_file: /var/..., federation_rule_id: fdrl_..., organization_id: ...}"],
    )


class AzureOpenAISettings(ModelSettings):
    """Azure OpenAI: `deployment` is your name for it, `base_model` what it is and costs.

    `auth: entra` takes a managed or workload identity in place of a key. `api: legacy` is
    the older address with an `api_version`.
    """

    api_key: Credential | None = Field(default=None, examples=["${AZURE_OPENAI_KEY}"])
    endpoint: WebAddress | None = Field(
        default=None, examples=["https://my-resource.openai.azure.com"]
    )
    deployment: Text | None = Field(default=None, examples=["support-luna"])
    base_model: Text | None = Field(default=None, examples=["gpt-6-luna"])
    auth: Literal["key", "entra"] = Field(default="key", examples=["entra"])
    api: Literal["v1", "legacy"] = Field(default="v1", examples=["legacy"])
    api_version: Text | None = Field(default=None, examples=["2025-04-01-preview"])


class GoogleVertexSettings(ModelSettings):
    """Google's Agent Platform (Vertex AI); credentials are Google's application default.

    `agent_engine` is an agent deployed there. It answers in place of `model`, and decides
    itself what its answers are made of; `project_id` and `location` are then in its name.
    """

    project_id: Text | None = Field(default=None, examples=["${GCP_PROJECT_ID}"])
    location: Text = Field(default="global", examples=["global"])
    model: Text = Field(default="gemini-3.8-flash", examples=["gemini-3.8-flash"])
    agent_engine: Annotated[Text, AfterValidator(_agent_engine)] | None = Field(
        default=None,
        examples=["projects/my-project/locations/us-central1/reasoningEngines/1234567890"],
    )


class CopilotStudioSettings(PlatformSettings):
    """A Copilot Studio agent; it chooses its own model and limits.

    Over Direct Line with a `secret` or a `token_endpoint`; Direct-to-Engine where
    `environment_id` and `schema_name` are given, and `secret` is then the user's token.
    `credits_per_message` is an estimate: the agent does not say what an answer cost.
    """

    bot_id: Text | None = Field(default=None, examples=["${COPILOT_BOT_ID}"])
    secret: Credential | None = Field(default=None, examples=["${COPILOT_SECRET}"])
    token_endpoint: WebAddress | None = Field(
        default=None, examples=["https://example.com/directline/token"]
    )
    environment_id: Text | None = Field(default=None, examples=["${COPILOT_ENVIRONMENT_ID}"])
    schema_name: Text | None = Field(default=None, examples=["cr123_support"])
    # 2: a generative answer, by Microsoft's list of November 2026.
    credits_per_message: Number = Field(default=2, ge=0, le=1000, examples=[2])


class Platforms(Section):
    """The platforms by name; one that is left out does not exist."""

    openai: OpenAISettings | None = None
    anthropic: AnthropicSettings | None = None
    azure_openai: AzureOpenAISettings | None = None
    google_vertex: GoogleVertexSettings | None = None
    copilot_studio: CopilotStudioSettings | None = None

    def present(self) -> Iterator[tuple[PlatformName, PlatformSettings]]:
        """Every platform the configuration speaks of, in the order above."""
        everyone: tuple[tuple[PlatformName, PlatformSettings | None], ...] = (
            ("openai", self.openai),
            ("anthropic", self.anthropic),
            ("azure_openai", self.azure_openai),
            ("google_vertex", self.google_vertex),
            ("copilot_studio", self.copilot_studio),
        )
        for name, platform in everyone:
            if platform is not None:
                yield name, platform
