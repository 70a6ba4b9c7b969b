"""Images, as input."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.image.spec:ImageSpec",
    column="mmbm.kinds.image.column:ImageColumn",
    frontend="mmbm.kinds.image.frontend:ImageFrontend",
    raw_frontend="mmbm.kinds.image.frontend:ImageFrontend",
    representation="mmbm.kinds.image.representation:ImageRepresentation",
    media="image/*",
    infer="mmbm.kinds.image.infer:infer",
)
