"""Texts of the pages, in the available languages."""

import html
from typing import Any

from mmbm.serve.playground.gate import GoneFile

WORDS = {
    "en": {
        "ask": "Answer", "clear": "Clear", "contributions": "What contributed to it",
        "examples": "Rows from the valid split. Click one to have it answered.", "given": "given",
        "hint": "Leave out what you like: an empty field is absent, not zero.",
        "search": "Search", "found": "Found", "k": "Rows to find",
        "one": "One field is enough; of several, their mean is searched by.",
        "of": "What is searched (if empty, the first field that isn't given)",
        "where": "Only rows for which this is true",
        "say": "Write, speak, or add an image",
        "wrong": "{}", "gone": "The file is no longer on the server. Upload it again.",
    },
    "zh-CN": {
        "ask": "回答", "clear": "清空", "contributions": "各模态的贡献",
        "examples": "验证集中的样例（点击一行即可得到回答）", "given": "已给出",
        "hint": "可以任意留空：留空表示缺失，而不是零。",
        "search": "搜索", "found": "结果", "k": "返回行数",
        "one": "填写一项即可；填写多项时，按它们的平均来搜索。",
        "of": "在哪一列中搜索（留空则为第一个未填写的列）",
        "where": "只返回满足此条件的行",
        "say": "输入文字、说话，或添加图片",
        "wrong": "无法回答：{}", "gone": "文件已不在服务器上，请重新上传。",
    },
}  # fmt: skip


def language(request: Any) -> str:
    """Language of a page: the browser's first preference."""
    asked = (request.headers.get("accept-language") or "") if request else ""
    return "zh-CN" if asked.strip().lower().startswith("zh") else "en"


def problem(gradio: Any, error: Exception, request: Any) -> Exception:
    """An error as the page shows it: in the page's language, and as text, not as HTML."""
    words = WORDS[language(request)]
    text = words["gone"] if isinstance(error, GoneFile) else words["wrong"].format(error)
    return gradio.Error(html.escape(text), title="", print_exception=False)
