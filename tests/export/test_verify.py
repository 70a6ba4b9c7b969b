"""The battery of rows that an export is verified on."""

from mmbm.export.verify import batches, golden


def test_the_battery_has_every_shape_that_a_graph_may_not_be_made_for(bundle):
    seen = dict(batches(bundle, golden(bundle)))
    sizes = {len(rows) for rows in seen.values()}
    assert {1, 4, 17, 64} <= sizes
    texts = [
        len(row.cells["remark"])
        for rows in seen.values()
        for row in rows
        if row.cells["remark"] is not None
    ]
    sounds = [
        len(row.cells["speech"])
        for rows in seen.values()
        for row in rows
        if row.cells["speech"] is not None
    ]
    assert (min(texts), max(texts)) == (1, 128)
    assert (min(sounds), max(sounds)) == (1, 8000)
    assert {f"where {name} is absent" for name in ("photo", "speech", "remark", "table")} <= set(
        seen
    )
    (nothing,) = (rows for label, rows in seen.items() if label == "where everything is absent")
    assert all(cell is None for row in nothing for cell in row.cells.values())
