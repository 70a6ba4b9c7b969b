"""Images, as input."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.image.spec:ImageSpec",
    column="mmbm.kinds.image.column:ImageColumn",
    frontend="mmbm.kinds.image.frontend:ImageFrontend",
    raw_frontend="mmbm.kinds.image.frontend:ImageFrontend",
    representation="mmbm.kinds.image.representation:ImageRepresentation",
    media="image/*",
    message="image_url",
    input_means="pixels, row by row, of the picture resized as `spec` says",
    infer="mmbm.kinds.image.infer:infer",
)
