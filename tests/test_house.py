"""The house rules as tests: import direction, what no file may carry, pinned versions, data that travels."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("definitions", "storage", "workflow")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked(*patterns: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, check=True, capture_output=True, encoding="utf-8"
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


# ---- import direction ------------------------------------------------------------------------------------------------


def lint_imports(folder: Path) -> str:
    """Broken contracts of the project in `folder`, as import-linter tells them; empty when all are kept."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    assert "Contracts:" in ran.stdout, ran.stdout + ran.stderr
    return "" if ran.returncode == 0 else ran.stdout


def test_imports_point_downwards():
    assert lint_imports(ROOT) == ""


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("definitions/strayed.py", "workflow.core.times"),
        ("definitions/strayed.py", "storage"),
        ("storage/strayed.py", "definitions.model"),
        ("workflow/core/strayed.py", "storage"),
        ("workflow/core/strayed.py", "sqlalchemy"),
        ("workflow/core/strayed.py", "workflow.service"),
        ("workflow/service/strayed.py", "workflow.api"),
        ("workflow/service/strayed.py", "workflow.alerts"),
        ("workflow/service/strayed.py", "apscheduler"),
        ("workflow/alerts/strayed.py", "workflow.cli"),
        ("workflow/alerts/strayed.py", "sqlalchemy"),
        ("workflow/api/strayed.py", "workflow.core.times"),
        ("workflow/api/strayed.py", "workflow.cli"),
        ("workflow/cli/strayed.py", "definitions.model"),
        ("workflow/cli/strayed.py", "storage"),
        ("workflow/web/strayed.py", "storage"),
        ("workflow/web/strayed.py", "workflow.api"),
        ("workflow/web/strayed.py", "workflow.server"),
        ("workflow/api/strayed.py", "workflow.web"),
        ("workflow/replay/strayed.py", "storage"),
        ("workflow/replay/strayed.py", "workflow.service"),
    ],
)
def test_an_import_that_points_upwards_is_found(tmp_path, module, imported):
    """Against empty packages in the shape of ours, so that only the planted import can break a contract."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in (
        *PACKAGES,
        *(f"workflow/{part}" for part in ("core", "service", "alerts", "api", "cli", "web", "replay")),
    ):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for name in ("definitions/model", *(f"workflow/{part}" for part in ("core/times", "http", "logs", "server"))):
        (tmp_path / f"{name}.py").touch()
    assert lint_imports(tmp_path) == ""

    (tmp_path / module).write_text(f"import {imported}\n", encoding="utf-8")
    assert "BROKEN" in lint_imports(tmp_path)


# ---- what no file may carry ------------------------------------------------------------------------------------------

# An address may be named only where it is a namespace, an example, or the place a rule was published.
NAMED_HOSTS = (
    "localhost", "127.0.0.1", "0.0.0.0", "testserver",  # the reader's own machine; the test client
    "example.com", "example.org", "example.net", "example",  # RFC 2606
    "gov.cn",  # laws, notices, the regulator
    "json-schema.org", "w3.org", "xes-standard.org",  # names of formats, never fetched
    "rfc-editor.org", "doi.org",  # citations
)  # fmt: skip

FORBIDDEN = {
    "a path of one machine": r"(?<![\w.$}~])/(?:work|home|root|opt|Users|mnt)/\w|\b[A-Z]:\\Users",
    "an address in a private network": r"(?<![\d.])(?:10\.\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+(?![\d.])",
    "unfinished work": r"\b(?:TO[D]O|FIX[M]E|X[X]X)\b",
    "who typed it": r"(?i)\b[c]o-authored-by|\bcoding [a]ssistant|\blanguage [m]odel",
}


def findings(text: str) -> list[str]:
    found = [f"{what}: {match[0]}" for what, pattern in FORBIDDEN.items() for match in re.finditer(pattern, text)]
    for match in re.finditer(r"https?://([^\s/:\"'`<>)\]}]+)", text):
        host = match[1].rstrip(".,;").lower()
        if "." in host and not any(host == named or host.endswith("." + named) for named in NAMED_HOSTS):
            found.append(f"an address: {match[0]}")
    return found


def test_no_tracked_file_carries_what_does_not_belong():
    carried = {}
    for name in tracked():
        content = (ROOT / name).read_bytes()
        if b"\0" not in content and (found := findings(content.decode("utf-8"))):
            carried[name] = found
    assert carried == {}


@pytest.mark.parametrize(
    "text",
    [
        "see /home/" + "li/报装/var",
        "C:" + r"\Users\li",
        "http:" + "//10.1.2" + ".3:8000",
        "# TO" + "DO later",
        "Co-authored" + "-by: somebody",
        "fetched from https://" + "mirror.example.edu/simple/",
        "https://gov.cn." + "mirror.test/notice",
    ],
)
def test_what_does_not_belong_is_found(text):
    assert findings(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/api/v1",
        "https://www.nea.gov.cn/2021-03/29/c.htm",
        "/api/v1/work/2",
        "http://{host}:{port}",
        "3.10.1.2",
    ],
)
def test_what_belongs_is_left_alone(text):
    assert findings(text) == []


def test_every_exception_from_lint_and_types_gives_its_reason():
    bare = re.compile(
        r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[\w, -]+\])?)\s*$", re.MULTILINE
    )
    without = {
        name: [match[0] for match in bare.finditer((ROOT / name).read_text(encoding="utf-8"))]
        for name in tracked("*.py")
    }
    assert {name: found for name, found in without.items() if found} == {}


# ---- pinned versions -------------------------------------------------------------------------------------------------


def pins(name: str) -> dict[str, str]:
    """Version by package of one hashed file; fails on any line that is more than names, versions and hashes."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert "://" not in text
    found: dict[str, str] = {}
    for line in re.sub(r"\s*\\\n\s*", " ", text).splitlines():
        if not line or line.lstrip().startswith("#"):
            continue
        pinned = re.fullmatch(r"([\w.-]+)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)", line.strip())
        assert pinned, f"{name}: {line}"
        found[canonicalize_name(pinned[1])] = pinned[2]
    return found


@pytest.mark.parametrize(("name", "extras"), [("base.txt", []), ("test.txt", ["test"]), ("bench.txt", ["bench"])])
def test_every_dependency_is_pinned_to_a_version_that_suits(name, extras):
    project, pinned = PYPROJECT["project"], pins(name)
    wanted = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    needs = [(canonicalize_name(needed.name), needed.specifier) for needed in map(Requirement, wanted)]
    unsuited = [need for need, suits in needs if need not in pinned or not suits.contains(pinned[need])]
    assert unsuited == []


def test_all_hashed_files_agree():
    versions: dict[str, set[str]] = {}
    for name in ("base.txt", "test.txt", "bench.txt"):
        for package, version in pins(name).items():
            versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}


def test_the_tools_are_pinned_too():
    assert "pip-tools" in pins("tools.txt")


# ---- data that travels -----------------------------------------------------------------------------------------------


def test_data_files_travel_with_the_packages():
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["*"]
    left = [
        name
        for name in tracked(*PACKAGES)
        if not name.endswith(".py") and not any(fnmatch(name, pattern) for pattern in patterns)
    ]
    assert left == []
