"""In a pipe, whatever takes long says so every few seconds."""

import time

from mmbm import console as progress


def test_a_stage_that_takes_long_is_said_again_and_again(monkeypatch, capsys):
    monkeypatch.setattr(progress, "QUIET", 0.05)
    with progress.stage("Exporting the graphs"):
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("Exporting the graphs … ") for line in lines)
    with progress.stage("Short"):
        pass
    assert capsys.readouterr().err == ""


def test_items_that_take_long_are_counted(monkeypatch, capsys):
    monkeypatch.setattr(progress, "QUIET", 0.05)

    def slow():
        for i in range(6):
            time.sleep(0.03)
            yield [i, i]

    assert len(list(progress.track(slow(), 12, "decode photo", each=len))) == 6
    assert "decode photo: 4 of 12 …" in capsys.readouterr().err
