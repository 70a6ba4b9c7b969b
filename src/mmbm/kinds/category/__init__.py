"""One class of several, as input and as target (classification)."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.category.spec:CategorySpec",
    target="mmbm.kinds.category.spec:CategoryTarget",
    column="mmbm.kinds.category.column:CategoryColumn",
    frontend="mmbm.kinds.category.frontend:CategoryFrontend",
    head="mmbm.kinds.category.head:CategoryHead",
    answer="mmbm.kinds.category.answer:CategoryAnswer",
    input_means="1, 2, … for state.values in order; 0 for any other value",
    output_means="probability of each of `values`, in order",
    infer="mmbm.kinds.category.infer:infer",
    infer_target="mmbm.kinds.category.infer:infer_target",
    prompt="mmbm.kinds.category.prompt:CategoryPrompt",
)
