"""Exceptions of mmbm and the messages they show to the user.

Every error that a user can fix is an `MmbmError`: the command line prints its message without a
traceback and exits with `status`. A message gives problem, place (file, row, column) and fix.
"""


class MmbmError(Exception):
    """Base class of errors that the user can fix; the message explains how."""

    status = 1


class ConfigError(MmbmError):
    """The YAML, or an override, has a value that mmbm doesn't know or support."""


class TableError(MmbmError):
    """A table can't be read, or lacks columns or values that the config requires."""


class TrainingError(MmbmError):
    """Training can't continue (a loss that is not finite, a run that can't be resumed)."""


class BundleError(MmbmError):
    """A bundle is damaged, too new, or its outputs differ from those recorded in it."""


class MissingExtra(MmbmError):
    """A feature needs packages of an extra that isn't installed."""

    def __init__(self, feature: str, extra: str):
        super().__init__(f'{feature} needs more packages: pip install "mmbm[{extra}]"')


class BadCell(Exception):
    """A cell can't be decoded. `reason` is a clause; the caller adds row and column.

    It is not an `MmbmError`: `data.bad_cells` decides what happens to the row.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class ProcessLost(TrainingError):
    """Another process of the same training ended."""


class Interrupted(MmbmError):
    """Ctrl-C or SIGTERM: the run was saved and can be resumed."""

    status = 130
