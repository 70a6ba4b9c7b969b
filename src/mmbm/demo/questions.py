"""Questions about the two digits, in English and Chinese, and the true answer."""

from collections.abc import Callable
from typing import NamedTuple


class Operation(NamedTuple):
    answer: Callable[[int, int], int]  # of the digit in the image and the spoken digit
    english: tuple[str, ...]
    chinese: tuple[str, ...]


OPERATIONS = {
    "sum": Operation(
        lambda seen, heard: seen + heard,
        (
            "What is the sum of the two digits?",
            "Add the written digit to the spoken one.",
            "How much do they make together?",
        ),
        ("两个数字加起来是多少？", "写的数加上念的数等于几？", "它们的和是多少？"),
    ),
    "difference": Operation(
        lambda seen, heard: abs(seen - heard),
        (
            "How far apart are the two digits?",
            "Subtract the smaller digit from the larger one.",
            "What is the difference between them?",
        ),
        ("两个数字相差多少？", "大的数减去小的数等于几？", "它们的差是多少？"),
    ),
    "larger": Operation(
        max,
        (
            "Which of the two digits is larger?",
            "Name the bigger digit.",
            "What is the greater of them?",
        ),
        ("哪个数字更大？", "两个数中较大的是几？", "写的数和念的数，大的是哪个？"),
    ),
    "smaller": Operation(
        min,
        (
            "Which of the two digits is smaller?",
            "Name the lesser digit.",
            "What is the lower of them?",
        ),
        ("哪个数字更小？", "两个数中较小的是几？", "写的数和念的数，小的是哪个？"),
    ),
    "product": Operation(
        lambda seen, heard: seen * heard,
        (
            "What is the product of the two digits?",
            "Multiply the written digit by the spoken one.",
            "How much is one times the other?",
        ),
        ("两个数字相乘是多少？", "写的数乘以念的数等于几？", "它们的积是多少？"),
    ),
}
"""Five, so that a model with both digits but without the question is right in 34 % at best."""
