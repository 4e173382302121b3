"""The machine of each class, drawn: `python -m workflow.diagrams` writes `docs/machines/<class>.md`, `--check` says
whether they are current.

States and transitions are read off the very machine that drives the cases, so a picture cannot promise an order that
the engine does not keep; limits and documents come from the definition in force on `DRAWN_ON`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path

from definitions.book import load
from definitions.model import Definition, StepRule
from workflow.core.machine import CLOSED, ENDINGS, ENERGISED, machine_for

DRAWN_ON = dt.date(2026, 1, 1)
FOLDER = Path(__file__).parent.parent / "docs" / "machines"
_PHASES = {"waiting": "等待用户 / waiting", "running": "供电企业计时 / running"}
_ENDS = {
    "energised": "已送电 / energised",
    "withdrawn": "已撤回 / withdrawn",
    "terminated": "已终止 / terminated",
    "refused": "依法拒绝 / refused",
}
_TRIGGERS = {
    "submit_step": "用户提交 / submit_step",
    "complete_step": "办结 / complete_step",
    "return_step": "退回 / return_step",
    "waive_step": "免办, 须会签 / waive_step, countersigned",
}


def _id(state: str) -> str:
    return state.replace(".", "_")


def _label(definition: Definition, state: str) -> str:
    if state in _ENDS:
        return _ENDS[state]
    code, _, phase = state.partition(".")
    rule = next(step for step in definition.steps if step.code == code)
    return f"{rule.name.zh} {rule.name.en}<br/>{_PHASES[phase]}"


def _mermaid(definition: Definition) -> list[str]:
    machine = machine_for(definition, important_customer=True)
    lines = ["stateDiagram-v2", "    direction TB"]
    drawn = [state for state in machine.states if state not in ENDINGS.values()]
    lines += [f'    state "{_label(definition, state)}" as {_id(state)}' for state in drawn]
    first = definition.steps[0].code
    lines.append(f"    [*] --> {first}_running: 申请, 资料齐 / submitted, complete")
    lines.append(f"    [*] --> {first}_waiting: 申请, 缺资料 / documents missing")
    for name, event in machine.events.items():
        if name in ENDINGS:
            continue
        for transitions in event.transitions.values():
            lines += [f"    {_id(t.source)} --> {_id(str(t.dest))}: {_TRIGGERS[name]}" for t in transitions]
    lines.append(f"    {ENERGISED} --> [*]")
    return lines


def _limit(step: StepRule) -> str:
    return "–" if step.limit is None else str(step.limit)


def page(definition: Definition) -> str:
    """The page of one class, in Markdown."""
    total = definition.total
    kind = {
        "whole_process": "全过程, 自申请至送电 / whole process, submission to energised",
        "step_sum": "各环节合计 / sum of the steps",
    }[total.kind]
    rows = [
        f"| `{step.code}` | {step.name.zh} / {step.name.en} | {_limit(step)} | "
        f"{'、'.join(document.name.zh for document in step.documents) or '无 / none'} | {', '.join(step.clauses)} |"
        for step in definition.steps
    ]
    open_states = len(machine_for(definition, important_customer=True).states) - len(CLOSED)
    source = (
        f"由定义 `{definition.version}` 生成, 请勿手改: `make docs`。 / "
        f"Drawn from the definition `{definition.version}`; do not edit, run `make docs`."
    )
    endings = (
        f"未结束的 {open_states} 个状态都可以: 用户撤回 `withdraw`, 终止 `terminate`, 依法拒绝 `refuse`。 / "
        f"From each of the {open_states} open states: `withdraw`, `terminate`, `refuse`."
    )
    lines = [
        f"# {definition.name.zh} / {definition.name.en} (`{definition.user_class}`)",
        "",
        source,
        "",
        "```mermaid",
        *_mermaid(definition),
        "```",
        "",
        endings,
        "",
        "| 环节 / step | 名称 / name | 工作日 / working days | 仅需资料 / the only documents | 依据 / clauses |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"总时限 / total: **{total.limit}** 工作日 / working days, {kind} ({', '.join(total.clauses)}).",
        "",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or with `--check` say which are not current (exit status 1)."""
    parser = argparse.ArgumentParser(prog="python -m workflow.diagrams", description=__doc__)
    parser.add_argument("--check", action="store_true", help="只检查是否最新 / only check")
    check = parser.parse_args(arguments).check
    book = load()
    stale = []
    for user_class in book.classes:
        definition = book.resolve(on=DRAWN_ON, user_class=user_class)
        target, text = FOLDER / f"{user_class}.md", page(definition)
        if target.exists() and target.read_text(encoding="utf-8") == text:
            continue
        stale.append(target.name)
        if not check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    for name in stale:
        sys.stdout.write(f"{name}: {'不是最新 / not current' if check else '已生成 / written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
