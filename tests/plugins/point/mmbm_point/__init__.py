"""A kind of cell in a package of its own: points of a plane, written "12.5, -3"."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm_point.spec:PointSpec",
    column="mmbm_point.column:PointColumn",
    frontend="mmbm_point.modules:PointFrontend",
    infer="mmbm_point.column:infer",
    input_means="the two coordinates, in the cell's own unit",
)
