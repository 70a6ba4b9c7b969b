"""Options of reading a text file: given by the caller, or detected in the file."""

from typing import Any, NamedTuple


class ReadOptions(NamedTuple):
    """The keys of `data` in a config; None and the defaults: detected in the file itself."""

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
    """A reader's findings: the options to write into a config, and messages for the user."""

    options: dict[str, Any] = {}  # noqa: RUF012
    notes: tuple[str, ...] = ()
