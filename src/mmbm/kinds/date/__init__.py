"""Dates, with or without a time of day, as input."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.date.spec:DateSpec",
    column="mmbm.kinds.date.column:DateColumn",
    frontend="mmbm.kinds.date.frontend:DateFrontend",
    representation="mmbm.kinds.date.representation:DateRepresentation",
    input_means="days since 1970-01-01 and the part of the day, in UTC; then how far the year's "
    "months, the month, the year, the week's days and the day have gone in spec.timezone, each "
    "from 0 to 1",
    infer="mmbm.kinds.date.infer:infer",
)
