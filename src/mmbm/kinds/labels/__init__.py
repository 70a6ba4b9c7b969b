"""Any number of labels, as input and as target (multi-label classification)."""

from mmbm.registry import Kind

KIND = Kind(
    input="mmbm.kinds.labels.spec:LabelsSpec",
    target="mmbm.kinds.labels.spec:LabelsTarget",
    column="mmbm.kinds.labels.column:LabelsColumn",
    frontend="mmbm.kinds.labels.frontend:LabelsFrontend",
    head="mmbm.kinds.labels.head:LabelsHead",
    answer="mmbm.kinds.labels.answer:LabelsAnswer",
    input_means="1 where the row has the label, in the order of state.values",
    output_means="probability that the row has each of `values`, in order",
    infer="mmbm.kinds.labels.infer:infer",
    infer_target="mmbm.kinds.labels.infer:infer_target",
)
