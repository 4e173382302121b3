"""One rule of the definitions, made ready to run over the wide rows."""

from __future__ import annotations

from typing import Final

from definitions._expressions import about
from definitions.detectors import MOMENT_OR_NONE, PLACE, Detector
from workflow.replay.columnar.engines import columns_of, json_text, quoted
from workflow.replay.columnar.fold import Compiled

UNJUDGED: Final = -1
"""In the place of the branch of a rule that lacked evidence; 0: judged and nothing found, or the rule does not apply."""
MOMENTS: Final = 12
"""How many moments a finding may rest on."""


class Plan:
    """One rule, ready to run."""

    def __init__(self, compiled: Compiled, one: Detector) -> None:
        self.detector, self.compiled = one, compiled
        self.rule = one.rule
        # An unknown condition does not hold: CASE takes it so, and looks no further than it must.
        branches = " ".join(
            f"WHEN {compiled.expression(branch.when, one)} THEN {at}" for at, branch in enumerate(one.branches, start=1)
        )
        applies = compiled.expression(one.applies, one)
        needs = compiled.expression(one.needs, one)
        # What was found was judged, whatever else is missing.
        unjudged = f"CASE WHEN {needs} THEN 0 ELSE {UNJUDGED} END"
        self.branch = f"CAST(CASE WHEN {applies} THEN CASE {branches} ELSE {unjudged} END ELSE 0 END AS SMALLINT)"
        self.columns = {name: self._column(name) for name in self._names()}
        self.resting = {
            (at, name): self._column(about(branch.witness_if, name))
            for at, branch in enumerate(one.branches, start=1)
            if branch.witness_if
            for name in branch.witness
        }
        """By branch and witness, when a finding rests on it, where not always."""

    def _names(self) -> list[str]:
        one = self.detector
        found = [name for branch in one.branches for name in (*branch.witness, *branch.against)]
        found += [name for said in one.sentences for name in PLACE.findall(said.zh + said.en)]
        return list(dict.fromkeys(found))

    def _column(self, name: str) -> str:
        return self.compiled.expression(name, self.detector)

    def reads(self) -> set[str]:
        """The columns of the wide row that a finding of this rule shows, and those that its other grounds are told by."""
        texts = (*self.columns.values(), *self.resting.values(), *(self._when(at) for at in self._alike()))
        return set().union(*map(columns_of, texts))

    def _when(self, at: int) -> str:
        return self.compiled.expression(self.detector.branches[at - 1].when, self.detector)

    def _alike(self) -> list[int]:
        """The branches that have one of their severity before them."""
        severities = [branch.severity for branch in self.detector.branches]
        return [at for at, severity in enumerate(severities, start=1) if severity in severities[: at - 1]]

    def witnesses(self) -> list[str]:
        """Every moment that a finding of this rule may rest on, accusing ones first."""
        names = [name for branch in self.detector.branches for name in branch.witness]
        names += [name for branch in self.detector.branches for name in branch.against]
        return list(dict.fromkeys(names))

    def condition(self, name: str) -> str:
        """SQL of what an event must be for the folded fact `name`; TRUE for any other."""
        fact = self.compiled.fact(name, self.detector)
        if fact is None:
            return "TRUE"
        own = self.detector if name in self.detector.facts else None
        return self.compiled.folded[self.compiled.column(fact, self.compiled.values(own))][1] or "TRUE"

    def explanation(self, language: str) -> str:
        """SQL of the sentence that explains a finding."""
        told = [self._sentence(getattr(said, language), language) for said in self.detector.sentences]
        if len(set(told)) == 1:
            return told[0]
        branches = " ".join(f"WHEN {at} THEN {sentence}" for at, sentence in enumerate(told, start=1))
        return f"CASE r_{self.rule} {branches} END"

    def _sentence(self, text: str, language: str) -> str:
        parts, at = [], 0
        for match in PLACE.finditer(text):
            parts.append(quoted(text[at : match.start()]))
            column = self.columns[match[1]]
            shown = f"moment_text({column})" if ":" not in match[0] else f"COALESCE(CAST({column} AS VARCHAR), '')"
            if match[0].endswith(":moment}"):
                none = quoted(MOMENT_OR_NONE[language])
                shown = f"CASE WHEN {column} IS NULL THEN {none} ELSE moment_text({column}) END"
            parts.append(shown)
            at = match.end()
        parts.append(quoted(text[at:]))
        return " || ".join(parts)

    def findings(self) -> str:
        """SQL of the findings of this rule: one row each, with its moments in order of its witnesses."""
        severity = " ".join(
            f"WHEN {at} THEN '{branch.severity}'" for at, branch in enumerate(self.detector.branches, start=1)
        )
        return (
            f"SELECT cid, {quoted(self.rule)} AS rule, r_{self.rule} AS branch, CASE r_{self.rule} {severity} END AS severity, "
            f"{self._moments(f'r_{self.rule}')}, {self.said()} AS said, {self.explanation('zh')} AS explanation, "
            f"{self.explanation('en')} AS explanation_en FROM hits WHERE r_{self.rule} > 0"
        )

    def _moments(self, branch: str) -> str:
        """SQL of the moments that the branch with that number rests on."""
        names = self.witnesses()
        if len(names) > MOMENTS:
            raise ValueError(f"{self.rule} rests on more than {MOMENTS} moments")
        moments = []
        for place in range(MOMENTS):
            if place >= len(names):
                moments.append(f"CAST(NULL AS BIGINT) AS m{place}")
                continue
            name = names[place]
            in_branch = [
                f"({branch} = {at} AND {self.resting.get((at, name), 'TRUE')})"
                for at, one in enumerate(self.detector.branches, start=1)
                if name in (*one.witness, *one.against)
            ]
            moments.append(f"CASE WHEN {' OR '.join(in_branch)} THEN {self.columns[name]} END AS m{place}")
        return ", ".join(moments)

    def also(self) -> list[str]:
        """SQL of what a finding of this rule rests on besides, as heavily: the other branches of its severity that
        hold."""
        found = []
        for at in self._alike():
            severity = self.detector.branches[at - 1].severity
            before = [n for n, one in enumerate(self.detector.branches[: at - 1], start=1) if one.severity == severity]
            found.append(
                f"SELECT cid, {quoted(self.rule)} AS rule, {at} AS branch, {self._moments(str(at))} FROM hits "
                f"WHERE r_{self.rule} IN ({', '.join(map(str, before))}) AND {self._when(at)}"
            )
        return found

    def said(self) -> str:
        """SQL of what the evidence names beside records, as members of a JSON object."""
        texts = "".join(text.zh + text.en for text in self.detector.sentences)
        named = [m[1] for m in PLACE.finditer(texts) if ":" in m[0] and not m[0].endswith(":moment}")]
        members = [f"'\"{name}\": ' || {json_text(self.columns[name])}" for name in dict.fromkeys(named)]
        return " || ', ' || ".join(members) or "''"
