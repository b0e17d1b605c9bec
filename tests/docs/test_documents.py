"""What the documents say exists: tables equal to the code, commands, settings, files, and examples that work."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from bot.__main__ import COMMANDS
from bot.channels import shop_token
from bot.settings import BY_NAME, PROJECT, SETTINGS

PAGES = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").glob("*.md"))]
TEST_VARIABLES = {"KEFU_TEST_POSTGRES_URL", "KEFU_TEST_REDIS_URL", "KEFU_TEST_HOME", "KEFU_BENCH_DATA"}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", text_of(PROJECT / "README.md"), re.S)
    assert found, f"README has no {language} example"
    return found.group(1)


def test_the_tables_of_settings_and_commands_are_the_codes():
    run = [sys.executable, "scripts/readme.py", "--check"]
    done = subprocess.run(run, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}: run python scripts/readme.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_a_page_names_exists(page):
    known = {setting.variable for setting in SETTINGS} | TEST_VARIABLES
    assert set(re.findall(r"\bKEFU_[A-Z_]*[A-Z]\b", text_of(page))) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_a_page_names_exists(page):
    words = {command.words for command in COMMANDS}
    firsts = {command[0] for command in words if len(command) > 1}
    for first, second in re.findall(r"(?<!uv sync )\bkefu ([a-z]+)(?: ([a-z]+))?", "\n".join(quoted(text_of(page)))):
        assert (first,) in words or (first, second) in words or (first in firsts and not second), (
            f"kefu {first} {second}"
        )


def quoted(text: str) -> list[str]:
    """What stands in backticks or in a block of shell."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    return blocks + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))


def test_every_setting_is_documented():
    readme = text_of(PROJECT / "README.md")
    assert [setting.variable for setting in SETTINGS if f"`{setting.variable}`" not in readme] == []


def test_every_command_is_documented():
    engineer = text_of(PROJECT / "docs" / "engineer.md")
    assert [command.words for command in COMMANDS if f"`kefu {' '.join(command.words)}`" not in engineer] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_a_page_links_exists(page):
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", text_of(page))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_a_page_quotes_exists(page):
    """`bot/dialogue/domain/` and the like; names in angle brackets and what only a home holds are left out."""
    roots = "bot|actions|nlu_models|retrieval|ensemble|tests|docs|scripts"
    for path in re.findall(rf"`((?:{roots})/[^`\s]*)`", text_of(page)):
        if not re.search(r"[<>*]|\.venv", path):
            assert (PROJECT / path).exists(), path


def test_the_python_example_makes_a_token_that_proves_the_customer():
    names: dict[str, object] = {}
    exec(compile(code_block("python"), "README.md", "exec"), names)
    token = names["customer_token"]("demo-emma", "s3cret")  # type: ignore[operator]
    assert shop_token.verify(token, "s3cret", now=time.time()) == "demo-emma"


CALLS = {
    "node": ("js", 'console.log(customerToken("c 1 é", "s3"))'),
    "php": ("php", 'echo customer_token("c 1 é", "s3");'),
}


def test_the_other_examples_make_the_same_kind_of_token(tmp_path):
    """Run where the language is installed; that they are there at all is checked everywhere."""
    for program, (language, call) in CALLS.items():
        example = code_block(language)
        if shutil.which(program) is None:
            continue
        opening = "<?php\n" if language == "php" else ""
        file = tmp_path / f"token.{language}"
        file.write_text(f"{opening}{example}\n{call}\n", encoding="utf-8")
        token = subprocess.run([program, str(file)], capture_output=True, text=True, check=True).stdout.strip()
        assert shop_token.verify(token, "s3", now=time.time()) == "c 1 é", program


def test_the_licence_is_the_one_the_project_names():
    text = text_of(PROJECT / "LICENSE")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_keeps_its_format():
    changelog = text_of(PROJECT / "CHANGELOG.md")
    assert "## [Unreleased]" in changelog
    kinds = set(re.findall(r"^### (.+)$", changelog, re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_pre_commit_uses_the_projects_own_tools():
    config = yaml.safe_load(text_of(PROJECT / ".pre-commit-config.yaml"))
    entries = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    assert all(entry.startswith("uv run ") for entry in entries)
    assert any("ruff check" in entry for entry in entries)
    assert any("mypy" in entry for entry in entries)


def test_secret_settings_show_no_value_in_the_table():
    readme = text_of(PROJECT / "README.md")
    for setting in BY_NAME.values():
        if setting.secret:
            assert f"| `{setting.variable}` |  |" in readme


@pytest.mark.parametrize("given", [["train", "--help"], ["train", "nonsense"]])
def test_a_verb_alone_names_its_commands(given):
    run = subprocess.run(
        [sys.executable, "-m", "bot", *given], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    said = run.stdout if given[1] == "--help" else run.stderr
    assert run.returncode == (0 if given[1] == "--help" else 2)
    assert "kefu train nlu " in said
    assert "kefu import" not in said
