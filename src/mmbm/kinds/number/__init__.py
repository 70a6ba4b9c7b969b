"""Numbers, as input and as target (regression)."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.number.spec:NumberSpec",
    target="mmbm.kinds.number.spec:NumberTarget",
    column="mmbm.kinds.number.column:NumberColumn",
    frontend="mmbm.kinds.number.frontend:NumberFrontend",
    head="mmbm.kinds.number.head:NumberHead",
    answer="mmbm.kinds.number.answer:NumberAnswer",
    input_means="the number in its own unit; its signed logarithm, sign(x)·log(1+|x|), with "
    "spec.log",
    output_means="the number in its own unit",
    infer="mmbm.kinds.number.infer:infer",
    infer_target="mmbm.kinds.number.infer:infer_target",
    prompt="mmbm.kinds.number.prompt:NumberPrompt",
)
