"""Vectors of one length (embeddings), as input."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.vector.spec:VectorSpec",
    column="mmbm.kinds.vector.column:VectorColumn",
    frontend="mmbm.kinds.vector.frontend:VectorFrontend",
    representation="mmbm.kinds.vector.representation:VectorRepresentation",
    input_means="the numbers of the vector in order, as they are in the cell",
    infer="mmbm.kinds.vector.infer:infer",
)
