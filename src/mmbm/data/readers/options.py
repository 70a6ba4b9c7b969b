"""How a text file is read: what the caller says, and what was found where nothing was said."""

from typing import Any, NamedTuple


class ReadOptions(NamedTuple):
    """The keys of `data` in a config; None and the defaults: found in the file itself."""

    encoding: str | None = None
    delimiter: str | None = None
    skip: int | None = None
    escape: str | None = None
    quote: bool = True

    def given(self) -> dict[str, Any]:
        """Those that differ from their default."""
        default = ReadOptions()
        return {k: v for k, v in self._asdict().items() if v != getattr(default, k)}


class Decided(NamedTuple):
    """What a reader found: the options to write into a config, and sentences for the user."""

    options: dict[str, Any] = {}  # noqa: RUF012
    notes: tuple[str, ...] = ()
