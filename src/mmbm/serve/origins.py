"""Browser access control: names of this server, and pages of other origins (CORS).

A web page that somebody opens can send requests to a server on the same machine. Two checks keep it
out. `Host` must be a known name of this server, since a page's own name may be pointed to any
address (DNS rebinding). And the page's origin, in `Origin` and `Sec-Fetch-Site`, must be this
server itself, or an origin that `--cors` names. Clients that are no browsers send neither
(developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site).
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from mmbm.errors import ConfigError
from mmbm.serve.limits import RequestError

ANY = "*"
ORIGIN = re.compile(r"https?://[A-Za-z0-9._\[\]:-]+")
PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    host: str
    port: int | None


class Origins(NamedTuple):
    """hosts: names of this server besides addresses and localhost; `*` is any.
    cors: origins whose pages may send requests: `https://example.org`; `*` is any."""

    hosts: frozenset[str] = frozenset()
    cors: frozenset[str] = frozenset()

    @classmethod
    def of(cls, hosts: Iterable[str], cors: Iterable[str]) -> "Origins":
        """Raises ConfigError."""
        for name in hosts:
            if name != ANY and not re.fullmatch(r"[A-Za-z0-9._-]+", name):
                raise ConfigError(
                    f"--allow-host {name!r}: a name without a port, such as example.org, or *."
                )
        for origin in cors:
            if origin != ANY and not ORIGIN.fullmatch(origin):
                raise ConfigError(
                    f"--cors {origin!r}: an origin is https://example.org, without a path, or *."
                )
        return cls(frozenset(h.lower() for h in hosts), frozenset(o.lower() for o in cors))

    def refusal(self, method: str, headers: dict[bytes, bytes]) -> RequestError | None:
        """Why a request is refused; None if it is allowed. `headers` by lower-case name."""
        here = address(headers.get(b"host", b"").decode("latin-1"))
        if here is None or not self.knows(here.host):
            name = here.host[:100] if here else "nothing"
            return RequestError(
                403, f"This server is asked as {name!r}, and is not known by that name. Start it "
                "with --allow-host NAME if that is right.", reason="host",
            )  # fmt: skip
        origin = headers.get(b"origin")
        if origin is not None:
            if not self.may(origin.decode("latin-1").lower(), here):
                return RequestError(
                    403, "Pages of another origin may not ask this server. Start it with "
                    "--cors ORIGIN if they should.", reason="origin",
                )  # fmt: skip
            return None
        site = headers.get(b"sec-fetch-site", b"none")
        opened = method == "GET" and headers.get(b"sec-fetch-mode") == b"navigate"
        if site not in (b"none", b"same-origin") and not opened:
            return RequestError(403, "Pages of another origin may not load this.", reason="origin")
        return None

    def knows(self, host: str) -> bool:
        if ANY in self.hosts or host in self.hosts:
            return True
        return host == "localhost" or host.endswith(".localhost") or is_ip(host)

    def may(self, origin: str, here: Address) -> bool:
        if origin in self.cors or ANY in self.cors:
            return True
        scheme, _, rest = origin.partition("://")
        there = address(rest) if scheme in PORTS else None
        if there is None:
            return False
        if there.host in self.hosts:  # behind a proxy that uses another name
            return True
        usual = PORTS[scheme]
        return there.host == here.host and (there.port or usual) == (here.port or usual)


def address(text: str) -> Address | None:
    """`example.org:8000` or `[::1]:8000` -> its parts; None if it is none."""
    try:
        found = urlsplit(f"//{text.strip()}")
        host, port = found.hostname, found.port
    except ValueError:
        return None
    plain = not (found.path or found.query or found.fragment or found.username is not None)
    return Address(host.rstrip("."), port) if host and plain else None


def is_ip(host: str) -> bool:
    """An IP address can't be rebound, so a page of that name is a page of this server."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
