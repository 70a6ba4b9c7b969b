"""docs/quality.md, from what `bench/quality.py` has measured."""

from pathlib import Path

from compare import OWN, Cell, answered, summary, table
from tasks import MOST_TEST, TASKS, halves

HEAD = f"""# Quality without tuning

What `mmbm init TABLE --target COLUMN` and `mmbm train` reach on real tables with nothing set by
hand: one and the same default for all. Beside it, on the same rows, what ten lines of scikit-learn
reach (*yardsticks*: TF-IDF of words and of characters, one-hot categories and numbers, colours and
gradients of pictures, log-mel statistics of sounds; logistic or ridge regression over each and
over all, boosted trees over the table and over 30 principal components of the rest, what they
choose by cross-validation) and the best single modality trained alone with `mmbm`. What tuning can
add is in [results](results.md). Written by `make quality` (`bench/quality.py`,
`bench/yardsticks.py`).

- A cell is a task at a number of train rows; valid rows are cut in proportion, test rows are whole,
  at most {MOST_TEST}. Each seed draws other rows. Yardsticks are fitted on train and valid rows.
  Measured: {{answered}} of {{cells}} cells, seeds a cell {{seeds}}.
- `mmbm − best yardstick` is the mean over the seeds with its paired 95 % interval over the test
  rows, drawn 1,000 times. *Below n of m*: so many yardsticks whose interval lies above `mmbm`
  altogether. Among {{comparisons}} comparisons of equals chance alone would make about {{chance}}.
- Rows of one cat, portion, family or stretch of a drive are alike, so intervals there are too
  narrow; the yardsticks' folds keep them together.
- Where a task is scored by balanced accuracy, that metric is named to `mmbm` (`train.monitor`), as
  it is to the yardsticks, which weigh classes for it.
- Settings are chosen on train and valid rows of one half of the sets (*choose*: {{choose}}), and
  confirmed on the other (*confirm*: {{confirm}}).
- Seconds are of processor time, from the table to the bundle; gigabytes the most that the process
  held. Of yardsticks they are those of fitting, without reading the media.
- `icu_vitals` is its table alone: a series is no input yet. `rating` is scored as a number, as the
  yardsticks answer it. `usage_note` is a picture and a name only.

"""


def write(found: list[Cell], path: Path) -> None:
    half = halves()
    told = answered(found, OWN)
    pairs = sum(len(cell.yardsticks) for cell in told)
    seeds = sorted({len(cell.said[OWN]) for cell in told})
    text = HEAD.format(
        answered=len(told),
        cells=sum(len(task.sizes) for task in TASKS.values()),
        seeds=" to ".join(str(s) for s in (seeds[:1] + seeds[1:][-1:])) or 0,
        comparisons=pairs,
        chance=round(pairs * 0.025),
        **{h: ", ".join(t for t in TASKS if half[t] == h) for h in ("choose", "confirm")},
    )
    lines = ["## Ranks", "", *summary(found, OWN), "", "## Cells", "", *table(found, OWN)]
    path.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
