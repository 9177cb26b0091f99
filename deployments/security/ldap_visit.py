"""One connection to a directory for one sign-on: find somebody, try their password, read their groups.

The one module that speaks LDAP. ldap3 waits, so all of this runs in a thread; whoever waits no longer
ends it with `abort`.
"""

import socket
import ssl
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import ldap3  # type: ignore[import-untyped]
from ldap3.core.exceptions import LDAPException  # type: ignore[import-untyped]
from ldap3.utils.conv import escape_filter_chars  # type: ignore[import-untyped]
from typing_extensions import override

from config.directories import LdapProvider
from deployments.security.password_directory import DirectoryAway, Found
from routing.errors import ConfigError

_ANSWER_S = 5
# A name is of one person; a second entry of it is already one too many.
_PEOPLE_MAX = 2
# What Active Directory gives in one page; nobody is in that many.
_GROUPS_MAX = 1000
# How deep groups of groups are followed where the directory does not do it itself.
_DEPTH_MAX = 8
_PASSWORD_FILE_MAX = 4096
_OK, _SIZE_LIMIT = 0, 4
# operationsError, protocolError, timeLimitExceeded, busy, unavailable, other: of the directory,
# and not of whoever was tried.
_AWAY = frozenset({1, 2, 3, 51, 52, 80})
_DISABLED, _LOCKED, _EXPIRED = 0x2, 0x10, 0x800000
# Active Directory counts tenths of a microsecond from 1601, and has two ways to say never.
_NEVER = frozenset({0, 0x7FFF_FFFF_FFFF_FFFF})
_TICKS, _BEGINNING = 10_000_000, -11_644_473_600
_DAY_S = 86_400.0
_IN_CHAIN = "1.2.840.113556.1.4.1941"
_PERSON = {
    True: (
        "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={0})(userPrincipalName={0})))",
        ("sAMAccountName", "userPrincipalName"),
        (
            "objectGUID",
            "userAccountControl",
            "msDS-User-Account-Control-Computed",
            "accountExpires",
        ),
    ),
    False: ("(uid={0})", ("uid",), ("entryUUID", "pwdAccountLockedTime", "shadowExpire")),
}
_Entry: TypeAlias = Any
"""An entry of an answer of ldap3, which has no types."""


class _Pinned(ldap3.Tls):  # type: ignore[misc]
    """TLS as Python's own library does it; ldap3's compares host names by a method of its own."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._host = host

    @override
    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        connection.socket = self._context.wrap_socket(connection.socket, server_hostname=self._host)


class LdapDirectory:
    """A directory of the configuration; `visit` is one sign-on at it."""

    def __init__(self, provider: LdapProvider) -> None:
        """Read whom to trust.

        Raises:
            ConfigError: a file cannot be read.
        """
        self._provider = provider
        try:
            self._context = ssl.create_default_context(cafile=str(provider.ca_file))
        except (OSError, ssl.SSLError) as error:
            message = "holds no certificate to check the directory's by"
            raise ConfigError(str(provider.ca_file), None, "", message) from error
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        _secret(provider.password_file)

    def visit(self) -> "Visit":
        """A connection that is not open yet."""
        return Visit(self._provider, self._context)


class Visit:
    """One connection. None of its methods is called twice, and but for `abort` from one thread."""

    def __init__(self, provider: LdapProvider, context: ssl.SSLContext) -> None:
        self._provider = provider
        server = ldap3.Server(
            provider.host,
            port=provider.port,
            use_ssl=True,
            tls=_Pinned(context, provider.host),
            get_info=ldap3.NONE,
            connect_timeout=_ANSWER_S,
        )
        self._connection = ldap3.Connection(
            server,
            auto_referrals=False,
            check_names=False,
            receive_timeout=_ANSWER_S,
            raise_exceptions=False,
        )
        self._aborted = False
        self.was_tried = False

    def find(self, username: str) -> Found | None:
        """Who is called that; None for nobody, for several, and for who is only called alike.

        Raises:
            DirectoryAway: it cannot be asked, or does not take the service's own password.
        """
        self._as_service()
        pattern, names, further = _PERSON[self._provider.is_active_directory]
        asked = pattern.format(escape_filter_chars(username))
        entries, complete = self._search(asked, (*names, *further), _PEOPLE_MAX)
        if len(entries) != 1 or not complete:
            return None
        (entry,) = entries
        # Directories compare as if an accent or a width were nothing; we do not.
        called = {text.casefold() for name in names for text in _texts(entry, name)}
        if username.casefold() not in called:
            return None
        account = self._id(entry)
        return None if account is None else Found(account, str(entry["dn"]), entry)

    def proves(self, found: Found | None, password: str) -> bool:
        """Whether that is the password. Who was not found is tried all the same, by a name nobody has.

        Raises:
            DirectoryAway: it did not say.
        """
        self.was_tried = True
        nobody = f"CN={uuid.uuid4()},{self._provider.base_dn}"
        try:
            return self._bind(nobody if found is None else found.dn, password.encode())
        except (LDAPException, OSError) as error:
            raise DirectoryAway(type(error).__name__) from error

    def is_open(self, found: Found, now: float) -> bool:
        """Whether the account may be used: neither disabled nor locked nor over."""
        entry = found.entry
        if self._provider.is_active_directory:
            flags = _number(entry, "userAccountControl")
            computed = _number(entry, "msDS-User-Account-Control-Computed") or 0
            if flags is None or (flags | computed) & (_DISABLED | _LOCKED | _EXPIRED):
                return False
            ends = _number(entry, "accountExpires") or 0
            return ends in _NEVER or now < ends / _TICKS + _BEGINNING
        last_day = _number(entry, "shadowExpire")
        is_over = last_day is not None and last_day >= 0 and now >= last_day * _DAY_S
        return not is_over and not _texts(entry, "pwdAccountLockedTime")

    def groups(self, found: Found) -> list[str]:
        """The distinguished names of every group somebody is in, by way of others too.

        They are asked of the groups: what stands in a person's own entry, that person may be allowed
        to write.

        Raises:
            DirectoryAway: it cannot be asked, or there are more groups than anybody is in.
        """
        self._as_service()
        if self._provider.is_active_directory:
            chain = f"(&(objectClass=group)(member:{_IN_CHAIN}:={escape_filter_chars(found.dn)}))"
            return sorted(self._groups_by(chain))
        every, layer = set[str](), {found.dn}
        for _ in range(_DEPTH_MAX):
            new = set[str]()
            for name in sorted(layer):
                safe = escape_filter_chars(name)
                new |= self._groups_by(
                    f"(|(&(objectClass=groupOfNames)(member={safe}))"
                    f"(&(objectClass=groupOfUniqueNames)(uniqueMember={safe})))"
                )
            layer = new - every
            every |= layer
            if not layer:
                break
            if len(every) > _GROUPS_MAX:
                raise DirectoryAway("too many groups")
        return sorted(every)

    def close(self) -> None:
        """Take leave, or at least go."""
        self._connection.password = None
        with suppress(LDAPException, OSError):
            self._connection.unbind()
        # Of a connection that never came about ldap3 leaves the socket open.
        if (left := self._connection.socket) is not None:
            left.close()

    def abort(self) -> None:
        """End it from another thread: whatever waits for the directory fails now."""
        self._aborted = True
        under_way = self._connection.socket
        if under_way is not None:
            with suppress(OSError):
                socket.socket.shutdown(under_way, socket.SHUT_RDWR)

    def _groups_by(self, asked: str) -> set[str]:
        entries, complete = self._search(asked, (ldap3.NO_ATTRIBUTES,), _GROUPS_MAX)
        if not complete:
            raise DirectoryAway("too many groups")
        return {str(entry["dn"]) for entry in entries}

    def _as_service(self) -> None:
        try:
            if self._bind(self._provider.bind_dn, _secret(self._provider.password_file)):
                return
        except (LDAPException, OSError) as error:
            raise DirectoryAway(type(error).__name__) from error
        raise DirectoryAway("the directory refuses the service's own password")

    def _bind(self, dn: str, password: bytes) -> bool:
        if self._aborted:
            raise TimeoutError("nobody waits for it any more")
        if self._connection.closed:
            self._connection.open(read_server_info=False)
        # Bytes: of a text ldap3 drops what it thinks invisible, and of an empty password a directory
        # says yes to whomever.
        self._connection.rebind(dn, password, authentication=ldap3.SIMPLE, read_server_info=False)
        result = int(self._connection.result["result"])
        if result in _AWAY:
            raise LDAPException(f"result {result}")
        return result == _OK

    def _search(
        self, asked: str, attributes: Sequence[str], limit: int
    ) -> tuple[list[_Entry], bool]:
        """Entries below the base, and whether those are all; pointers to other servers are left out."""
        connection = self._connection
        try:
            connection.search(
                self._provider.base_dn,
                asked,
                ldap3.SUBTREE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(attributes),
                size_limit=limit,
                time_limit=_ANSWER_S,
            )
            result = int(connection.result["result"])
            answered = connection.response or []
        except (LDAPException, OSError) as error:
            raise DirectoryAway(type(error).__name__) from error
        if result not in {_OK, _SIZE_LIMIT}:
            raise DirectoryAway(f"the directory answers a search with result {result}")
        entries = [each for each in answered if each["type"] == "searchResEntry"]
        return entries, result == _OK

    def _id(self, entry: _Entry) -> str | None:
        """The directory's own number of the entry, which no other ever has; names change hands."""
        if self._provider.is_active_directory:
            raw = entry["raw_attributes"].get("objectGUID", [])
            return str(uuid.UUID(bytes_le=raw[0])) if len(raw) == 1 and len(raw[0]) == 16 else None
        texts = _texts(entry, "entryUUID")
        try:
            return str(uuid.UUID(texts[0])) if len(texts) == 1 else None
        except ValueError:
            return None


def _texts(entry: _Entry, name: str) -> list[str]:
    raw = entry["raw_attributes"].get(name, [])
    return [each.decode("utf-8", "replace") for each in raw]


def _number(entry: _Entry, name: str) -> int | None:
    texts = _texts(entry, name)
    return int(texts[0]) if len(texts) == 1 and texts[0].removeprefix("-").isdecimal() else None


def _secret(file: Path) -> bytes:
    """The service's password, read anew each time: whoever changes it writes the file.

    Raises:
        ConfigError: it cannot be read, or is empty.
    """
    try:
        with file.open("rb") as opened:
            secret = opened.read(_PASSWORD_FILE_MAX).rstrip(b"\r\n")
    except OSError as error:
        raise ConfigError(str(file), None, "", f"cannot be read ({error.strerror})") from error
    if not secret:
        raise ConfigError(str(file), None, "", "is empty")
    return secret
