"""Multivariate time series, as input."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.series.spec:SeriesSpec",
    column="mmbm.kinds.series.column:SeriesColumn",
    frontend="mmbm.kinds.series.frontend:SeriesFrontend",
    representation="mmbm.kinds.series.representation:SeriesRepresentation",
    media="text/csv",
    input_means="of each step the time since the first one in the cell's own unit; the value of "
    "each of state.channels, 0 where there is none; then 1 where there is one; padded with zeros",
    infer="mmbm.kinds.series.infer:infer",
)
