"""Where the rows are: a file of this machine, or a PostgreSQL server and how to be let in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from typing_extensions import override

from routing.errors import ConfigError

Tls: TypeAlias = Literal["verify", "off"]

_KEY = "database.url"


@dataclass(frozen=True, slots=True)
class Server:
    """A database on a PostgreSQL server. It holds no password, so it may cross processes.

    `password` is asked in the process that connects, at every connection: a secret that is
    changed in its file is the new one from then on. With `tls` "verify" the certificate has to be the
    host's, signed by `ca_file` or by whom this machine trusts. A `socket` is the folder of a Unix
    socket on this machine, which needs neither host nor TLS.
    """

    host: str
    port: int
    name: str
    user: str
    password: Callable[[], str | None] | None = None
    tls: Tls = "verify"
    ca_file: Path | None = None
    socket: str | None = None

    @override
    def __str__(self) -> str:
        if self.socket is None:
            return f"postgresql://{self.user}@{self.host}:{self.port}/{self.name}"
        return f"postgresql://{self.user}@/{self.name}?host={self.socket}&port={self.port}"


Address: TypeAlias = Path | Server


@dataclass(frozen=True, slots=True)
class _Said:
    """A password that was said in the address itself."""

    password: str

    def __call__(self) -> str:
        return self.password

    @override
    def __repr__(self) -> str:
        return "_Said(***)"


def parse_address(
    text: str,
    password: Callable[[], str | None] | None = None,
    tls: Tls = "verify",
    ca_file: Path | None = None,
) -> Address:
    """The address that a `sqlite:///` or `postgresql://` URL or a path names.

    A password in the URL is taken where no other is given.

    Raises:
        ConfigError: neither, a file in memory, which no second connection sees, or not whole.
    """
    if "://" not in text:
        return Path(text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise _wrong("is not a URL") from error
    match url.get_backend_name():
        case "sqlite":
            if url.database in {None, "", ":memory:"}:
                raise _wrong(f"{_shown(url)} names no file")
            return Path(str(url.database))
        case "postgresql" if url.drivername == "postgresql":
            return _server(url, password, tls, ca_file)
        case _:
            raise _wrong(f"only sqlite:/// and postgresql:// are understood, not {_shown(url)}")


def _server(
    url: URL, password: Callable[[], str | None] | None, tls: Tls, ca_file: Path | None
) -> Server:
    query = dict(url.query)
    folder, port = query.pop("host", None), query.pop("port", None)
    if query or (folder is not None and not str(folder).startswith("/")):
        raise _wrong(
            f"{_shown(url)} takes only host=/FOLDER (of a Unix socket) and port behind its question "
            "mark; how to connect is said by its neighbours tls and ca_file"
        )
    if not (url.host or folder) or not url.username or not url.database:
        raise _wrong(f"{_shown(url)} is not whole; write postgresql://user@host:5432/name")
    said = None if url.password is None else _Said(str(url.password))
    return Server(
        host=url.host or "",
        port=url.port or int(str(port or 5432)),
        name=url.database,
        user=url.username,
        password=password or said,
        tls=tls,
        ca_file=ca_file,
        socket=None if folder is None else str(folder),
    )


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _wrong(message: str) -> ConfigError:
    return ConfigError("(database)", None, _KEY, message)
