"""Spoken digits of each speaker in turn, who is never heard in training: measure, and rewrite that
section of docs/results.md.

python tests/real/speakers.py
"""

from results import RUNS, train, write_section
from sets import TASKS

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
START = "## Spoken digits of people never heard"
TEXT = """
The set `fsdd` once for each of its six speakers: that one is the test split, the next one by the
alphabet chooses the weights, four are trained on, beside 2,000 digits that espeak-ng says; the
settings of `fsdd_words`, 500 test rows each. They were chosen on nicolas, george and jackson.
Written by `python tests/real/speakers.py`.

| speaker | {names} | mean |
|---|{lines}---|
| word error rate | {rates} | **{mean:.3f}** |
"""


def main() -> None:
    RUNS.mkdir(parents=True, exist_ok=True)
    rates = {}
    for i, speaker in enumerate(SPEAKERS):
        heard = {"test": speaker, "valid": SPEAKERS[(i + 1) % len(SPEAKERS)]}
        task = TASKS["fsdd_words"]._replace(heard=heard)
        bundle = train(f"fsdd-{speaker}", task, task.only, seed=7)
        rates[speaker] = bundle.evaluate()["targets"][task.target]["wer"]
        print(f"{speaker} {rates[speaker]:.3f}", flush=True)
    shown = TEXT.format(
        names=" | ".join(rates),
        lines="---|" * len(rates),
        rates=" | ".join(f"{rate:.3f}" for rate in rates.values()),
        mean=sum(rates.values()) / len(rates),
    )
    print(shown)
    write_section(START, shown)


if __name__ == "__main__":
    main()
