"""Which embedder a configuration means, opened in the process that needs it."""

import asyncio
import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from actors.database.address import Address, Server
from actors.database.engine import Database, open_database
from actors.database.ledger import Ledger
from actors.knowledge.actor import IndexerOptions
from actors.knowledge.embed import EMBEDDED_FOR, Embedder, OpenEmbedder, open_embedder
from config.loader import error_at, load_settings
from config.resolve import ResolvedPlatform, credential_of, resolve_platforms
from config.settings import Settings
from deployments.boot import SIMULATED, SIMULATOR_KEY, Boot
from deployments.database import address_of
from deployments.knowledge.discreet import DiscreetEmbedder
from deployments.platforms.base import Connection
from deployments.platforms.prices import embedding_price_of
from deployments.privacy.bare import Bare
from deployments.privacy.find import Finder
from deployments.privacy.names import names_of
from routing.clock import Clock, SystemClock
from routing.exchange import Usage
from routing.outcome import Outcome

_KEY = ("mcp", "servers", "knowledge", "embedder")


def indexer_options(boot: Boot, settings: Settings, address: Address) -> IndexerOptions:
    """What the indexer is told, and every replica that embeds questions.

    Raises:
        ConfigError: the embedder's platform cannot be asked, or there is no PostgreSQL for pgvector.
    """
    knowledge = settings.mcp.servers.knowledge
    outside = knowledge.index == "pgvector"
    if outside and (knowledge.embedder == "lexical" or not isinstance(address, Server)):
        message = (
            "pgvector keeps vectors in the PostgreSQL of database.url; set that, and an embedder that "
            "makes some"
        )
        raise error_at(boot.config, (*_KEY[:-1], "index"), message)
    opening: OpenEmbedder
    if knowledge.embedder in {"lexical", "minilm"}:
        opening = partial(open_embedder, knowledge.embedder)
    else:
        _platform(boot, settings, knowledge.embedder)
        opening = PlatformEmbedder(boot)
    return IndexerOptions(address, opening, outside)


@dataclass(frozen=True, slots=True)
class PlatformEmbedder:
    """Opens the configured platform's embedder; its credential is read here and goes nowhere."""

    boot: Boot

    def __call__(self) -> Embedder:
        """The embedder, which books what it costs."""
        # Here and not above: who finds by words alone has no use for the SDK.
        from deployments.platforms.openai.embedder import OpenAIEmbedder  # noqa: PLC0415

        settings = load_settings(self.boot.config, os.environ, self.boot.profile).settings
        knowledge = settings.mcp.servers.knowledge
        resolved, clock = _platform(self.boot, settings, knowledge.embedder), SystemClock()
        simulated = resolved.state == "simulated"
        secret = credential_of(settings, resolved.name)
        credential = SIMULATOR_KEY if simulated or secret is None else secret.get_secret_value()
        address = resolved.base_url
        if simulated:
            address = f"{self.boot.simulators}{SIMULATED[resolved.name]}"
        connection = Connection(credential, address, resolved.max_connections, resolved.options)
        books = Books(
            open_database(address_of(self.boot, settings)),
            clock,
            resolved.name,
            knowledge.embedding_model,
            simulated=simulated,
        )
        embedder = OpenAIEmbedder(
            resolved.name, connection, knowledge.embedding_model, books.book, clock
        )
        privacy = settings.privacy
        if privacy.pii == "off":
            return embedder
        names = None if privacy.names is None else names_of(privacy.names)
        return DiscreetEmbedder(embedder, Bare(Finder(privacy.kinds, privacy.region, names)))


class Books:
    """Books vectors in the ledger, on the tenant they were made for."""

    def __init__(
        self, database: Database, clock: Clock, platform: str, model: str, *, simulated: bool
    ) -> None:
        self._ledger = Ledger(database)
        self._clock = clock
        self._platform = platform
        self._model = model
        self._simulated = simulated

    def book(self, tokens: int, took_s: float) -> None:
        """Book one request; it blocks, as the request did."""
        now = self._clock.now()
        day = datetime.fromtimestamp(now, UTC).date()
        price = embedding_price_of(self._platform, self._model, day)
        name = f"emb_{uuid.uuid4().hex}"
        outcome = Outcome(
            tenant=EMBEDDED_FOR.get(),
            answer_id=name,
            attempt=0,
            platform=self._platform,
            target=f"{self._platform}/{self._model}",
            model=self._model,
            at=now,
            latency_ms=took_s * 1000,
            first_byte_ms=None,
            usage=Usage(input_tokens=tokens),
            cost_usd=None if price is None else price * tokens,
            simulated=self._simulated,
        )
        # A name of its own for each: there is no second try, and so nothing to tell apart.
        asyncio.run(self._ledger.append(name, 1, [outcome], now=now))


def _platform(boot: Boot, settings: Settings, name: str) -> ResolvedPlatform:
    platforms = resolve_platforms(settings, boot.profile)
    resolved = next((platform for platform in platforms if platform.name == name), None)
    if resolved is None or resolved.state == "disabled":
        why = "is not configured" if resolved is None else resolved.reason
        raise error_at(boot.config, _KEY, f"platforms.{name} cannot be asked: {why}")
    if resolved.state == "configured" and credential_of(settings, resolved.name) is None:
        raise error_at(boot.config, _KEY, f"vectors of {name} are made with an api_key")
    return resolved
