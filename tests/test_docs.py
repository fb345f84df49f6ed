"""Every code block of the documentation runs, and what a console block shows is what the command prints.

- `python` blocks of a document run one after the other in one process of their own, warnings as errors.
- `bash` blocks must succeed. `console` blocks hold commands after `$ ` and their output, in which `...` stands for
  anything; exit code 1 is fine there, since it says that an audit found something.
- Commands that set a machine up (`SET_UP`) are what `.ci/run` does; here only the targets of `make` are looked up.
- A block with a path behind its language is that file, written before anything runs. Where it lies in `audit/`, it
  joins a copy of our package: so the example check of CONTRIBUTING.md is discovered like any other.
- A block below the comment `<!-- not run: reason -->` is left out.
- A document with the comment `<!-- needs: package -->` is skipped where that package, of an extra, is not installed.
- A block of `examples/` says exactly what that file says, and the examples have tests of their own in tests/examples.

Blocks run in a folder of their own that holds the files of `sample_data/`.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
SET_UP = ("git clone", "cd dataset-audit", "make ", "pip install", ".venv/bin/pre-commit", "sudo ", "docker ")
LANGUAGES = {"python": "python", "py": "python", "bash": "bash", "sh": "bash", "shell": "bash", "console": "console"}


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: its language, its text, the line that it starts at, and the file that it is, if any."""

    language: str
    text: str
    line: int
    path: str = ""


def blocks(markdown: str) -> Iterator[Block]:
    """Yield the code blocks that are to run."""
    left_out = False
    for token in MarkdownIt().parse(markdown):
        words = token.info.split()
        if token.type == "fence" and words and not left_out and (words[0] in LANGUAGES or len(words) > 1):
            path = words[1] if len(words) > 1 else ""
            yield Block(LANGUAGES.get(words[0], words[0]), token.content, (token.map or [0])[0] + 1, path)
        if token.level == 0:
            left_out = token.type == "html_block" and bool(re.match(r"<!-- not run: (?!-->)\S", token.content))


def commands(block: Block) -> list[tuple[str, str]]:
    """Return the commands of a block, each with the output shown below it; a bash block is one command."""
    if block.language == "console":
        parts = re.split(r"(?m)^\$ ", block.text.replace("\\\n", " "))[1:]
        return [(command.strip(), output) for command, _, output in (part.partition("\n") for part in parts)]
    return [("set -e\n" + block.text, "")]


def without_set_up(command: str) -> str:
    """Return a command without the lines that set a machine up; of `make`, the check that the target exists is left."""
    lines = []
    for line in command.splitlines():
        if line.startswith("make "):
            lines.append(f"{line.partition('#')[0]} --dry-run --directory '{REPOSITORY}' > /dev/null")
        elif not line.startswith(SET_UP):
            lines.append(line)
    return "\n".join(lines)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if (REPOSITORY / "sample_data").is_dir():
        shutil.copytree(REPOSITORY / "sample_data", tmp_path / "sample_data")
    return tmp_path


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run_shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.run(
        arguments, cwd=folder, env=environment(), capture_output=True, text=True, timeout=290, check=False
    )


def check_shell_block(block: Block, folder: Path) -> None:
    for command, shown in commands(block):
        done = run_shell(without_set_up(command), folder)
        allowed = (0,) if block.language == "bash" else (0, 1)
        said = f"line {block.line}: {command}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode in allowed, said
        matches = doctest.OutputChecker().check_output(
            shown.strip() + "\n", done.stdout.strip() + "\n", doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        )
        assert matches or not shown.strip(), f"{said}\nbut the document shows:\n{shown}"


def write_files(files: list[Block], folder: Path) -> None:
    if any(block.path.startswith("audit/") for block in files):
        shutil.copytree(REPOSITORY / "audit", folder / "audit", ignore=shutil.ignore_patterns("__pycache__"))
    for block in files:
        path = folder / block.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")


def check_python_blocks(found: list[Block], document: Path, folder: Path) -> None:
    lines: list[str] = []
    for block in found:  # at their own line numbers, so that a traceback points into the document
        lines += [""] * (block.line - len(lines)) + block.text.splitlines()
    script = folder / f"{document.stem.lower()}_blocks.py"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=290, check=False
    )
    assert done.returncode == 0, f"{document.name}:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_the_code_of_a_document_runs(document: Path, folder: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for package in re.findall(r"<!-- needs: (\w+) -->", text):
        pytest.importorskip(package, reason=f"the document shows an extra: {package} is not installed")
    found = list(blocks(text))
    write_files([block for block in found if block.path], folder)
    for block in found:
        if block.language in ("bash", "console") and not block.path:
            check_shell_block(block, folder)
    python_blocks = [block for block in found if block.language == "python" and not block.path]
    if python_blocks:
        check_python_blocks(python_blocks, document, folder)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_links_to_files_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_the_examples_are_shown_as_they_are_and_each_is_shown() -> None:
    shown: dict[str, str] = {}
    for document in DOCUMENTS:
        for block in blocks(document.read_text(encoding="utf-8")):
            if block.path.startswith("examples/"):
                shown[block.path] = block.text
    files = [path for path in (REPOSITORY / "examples").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert shown == {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in files}


def test_the_runner_sees_a_wrong_command_and_a_wrong_output(folder: Path) -> None:
    good = "```console\n$ echo one; echo two\none\n...\n$ grep x /dev/null\n```\n"
    for block in blocks(good):
        check_shell_block(block, folder)
    for bad in ("```console\n$ echo one\ntwo\n```\n", "```bash\nfalse\n```\n", "```bash\nmake no-such-target\n```\n"):
        (block,) = blocks(bad)
        with pytest.raises(AssertionError):
            check_shell_block(block, folder)
    (block,) = blocks("```python\nassert 1 + 1 == 3\n```\n")
    with pytest.raises(AssertionError):
        check_python_blocks([block], REPOSITORY / "README.md", folder)


def test_a_block_is_left_out_only_for_a_reason() -> None:
    assert list(blocks("<!-- not run: needs a cluster -->\n\n```bash\nfalse\n```\n")) == []
    assert [block.text for block in blocks("<!-- not run: -->\n\n```bash\nfalse\n```\n")] == ["false\n"]
    assert [block.line for block in blocks("# Title\n\n```text\nx\n```\n\n```python\n1\n```\n")] == [7]
