"""The meaning of a column's name."""

import re

_COUNTED = re.compile(r"(^|_)(per|of|n|num|number|count|total|avg|mean|is|has|by|new|max|min)_")
"""sessions_per_user is a count, and is_patient a flag: neither identifies anybody."""


def snake(name: str) -> str:
    """patientID and "Patient ID" -> patient_id."""
    return re.sub(r"[\s.-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)).lower()


def counts_something(name: str) -> bool:
    """A name such as sessions_per_user, in lower case."""
    return bool(_COUNTED.search(name))
