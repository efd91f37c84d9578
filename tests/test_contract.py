"""What is promised in several places is the same in each: action.yml, the program, its pages."""

import ast
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner import __version__
from runner.config import load
from runner.core.phrases import OF_A_MIGRATION, OF_A_ROLLBACK
from runner.errors import Cancelled, Outcome, RunnerError
from runner.flags import COMMANDS, FLAGS_OF, parse_flags
from runner.github.outputs import outputs_of
from runner.inputs import ADOPT, BASELINE, BY_NAME, INPUTS, OF_THE_ACTION, ROLLBACK, Given
from tests.builders import a_report

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "runner"
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
OUTPUTS = list(outputs_of(a_report()))
COMMANDS_OF_THE_ACTION = [name for name in COMMANDS if name not in {"convert", "demo", "new", "serve"}]
EACH_INPUT = pytest.mark.parametrize("name", OF_THE_ACTION)
NEEDED = {  # by command, beside the database
    ROLLBACK: {"steps": "1"},
    BASELINE: {"version": "1"},
    ADOPT: {"from": "flyway"},
}
EACH_PAGE = pytest.mark.parametrize("page", ["README.md", "docs/inputs.md"])


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """The table under a heading: the first cell of each row, without its marks of code, and the cells behind it."""
    section = (ROOT / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.split("\n") if line.startswith("| `")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {first.strip("`"): rest for first, *rest in cells}


# action.yml


def test_the_action_has_the_inputs_of_the_program() -> None:
    assert list(ACTION["inputs"]) == list(OF_THE_ACTION)


@EACH_INPUT
def test_the_action_describes_an_input_as_the_program_does(name: str) -> None:
    assert ACTION["inputs"][name]["description"] == BY_NAME[name].description


@EACH_INPUT
def test_the_action_has_a_default_only_where_nothing_else_stands_in(name: str) -> None:
    known = BY_NAME[name]
    # GitHub passes a default on as if it had been given: it would hide the variable, and the configuration file.
    stands_in = known.variable or not known.not_in_file
    expected = known.action_default or ("" if stands_in else known.default)
    assert ACTION["inputs"][name].get("default", "") == expected


@EACH_INPUT
def test_the_description_of_an_input_ends_with_its_default(name: str) -> None:
    known = BY_NAME[name]
    told = re.findall(r"`(.*?)`", known.description.removeprefix(known.help))
    assert told == ([*known.defaults.values()] or [default for default in [known.default] if default])


@EACH_INPUT
def test_an_input_has_no_other_keys(name: str) -> None:
    assert ACTION["inputs"][name].keys() <= {"description", "default"}


def test_the_action_has_the_outputs_of_the_program() -> None:
    assert list(ACTION["outputs"]) == OUTPUTS
    assert all(output.keys() == {"description"} for output in ACTION["outputs"].values())


def test_the_action_names_every_outcome() -> None:
    named = re.findall(r"`([a-z-]+)`", ACTION["outputs"]["outcome"]["description"])
    assert named == list(Outcome)


def test_the_action_has_no_expression_but_in_a_default_not_even_in_a_description() -> None:
    lines = [line.strip() for line in (ROOT / "action.yml").read_text().split("\n") if "${{" in line]
    assert lines == [f"default: {known.action_default}" for known in OF_THE_ACTION.values() if known.action_default]


def test_the_action_is_built_from_its_dockerfile() -> None:
    assert ACTION["runs"] == {"using": "docker", "image": "Dockerfile"}
    assert (ROOT / "Dockerfile").is_file()


# The command line


@pytest.mark.parametrize("command", COMMANDS_OF_THE_ACTION)
def test_a_command_takes_its_inputs_as_flags(command: str) -> None:
    known = [BY_NAME[name] for name in FLAGS_OF[command]]
    argv = [part for one in known for part in ([f"--{one.name}"] if one.flag else [f"--{one.name}", "x"])]
    assert parse_flags([command, *argv]) == {"command": command} | {
        one.name: "true" if one.flag else "x" for one in known
    }


@pytest.mark.parametrize("name", BY_NAME)
def test_every_input_is_a_flag_of_a_command(name: str) -> None:
    assert name == "command" or any(name in FLAGS_OF[command] for command in COMMANDS_OF_THE_ACTION)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_flags_of_a_command_are_inputs(command: str) -> None:
    assert set(FLAGS_OF[command]) <= BY_NAME.keys()


@pytest.mark.parametrize("command", COMMANDS_OF_THE_ACTION)
def test_a_command_of_the_command_line_is_one_of_the_action(command: str) -> None:
    given = {"command": Given(command, "command"), "database-url": Given("embedded", "database-url")}
    given |= {name: Given(text, name) for name, text in NEEDED.get(command, {}).items()}
    assert load(given, {}, manual=False).command == command
    assert f"`{command}`" in BY_NAME["command"].help


def test_the_package_has_the_version_of_the_program() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


# The pages


@EACH_PAGE
def test_a_page_lists_the_inputs_in_their_order(page: str) -> None:
    assert list(rows(page, "Inputs")) == list(OF_THE_ACTION)


def test_the_page_of_inputs_lists_the_flags_that_are_no_inputs_of_the_action() -> None:
    told = rows("docs/inputs.md", "Only on the command line")
    assert list(told) == [known.name for known in INPUTS if known.only_flag]
    assert {name: cells[0].strip("`") for name, cells in told.items()} == {
        name: BY_NAME[name].default or "none" for name in told
    }


@EACH_PAGE
@EACH_INPUT
def test_a_page_tells_the_default_of_an_input(page: str, name: str) -> None:
    in_code = re.findall(r"`(.*?)`", rows(page, "Inputs")[name][0])
    assert in_code == [default for default in [BY_NAME[name].default] if default]


@pytest.mark.parametrize("command", BY_NAME["command"].choices)
def test_the_page_of_inputs_says_what_each_command_does(command: str) -> None:
    assert f"`{command}`" in rows("docs/inputs.md", "Inputs")["command"][-1]


@pytest.mark.parametrize("phrase", [OF_A_MIGRATION, OF_A_ROLLBACK])
def test_the_page_of_inputs_has_the_phrases_that_confirm(phrase: str) -> None:
    assert f"`{phrase}`" in rows("docs/inputs.md", "Inputs")["confirmation"][-1]


@EACH_INPUT
def test_the_page_of_inputs_tells_the_variable_that_stands_in(name: str) -> None:
    assert rows("docs/inputs.md", "Inputs")[name][1].strip("`") == (BY_NAME[name].variable or "none")


@EACH_PAGE
def test_a_page_lists_the_outputs_in_their_order(page: str) -> None:
    assert list(rows(page, "Outputs")) == OUTPUTS


@EACH_PAGE
def test_a_page_names_every_outcome(page: str) -> None:
    assert all(f"`{outcome}`" in " ".join(rows(page, "Outputs")["outcome"]) for outcome in Outcome)


def test_the_page_of_exit_codes_has_those_of_the_program() -> None:
    outcomes = {int(code): row[0] for code, row in rows_of_exit_codes().items()}
    assert outcomes == {
        0: f"{Outcome.APPLIED}, {Outcome.ROLLED_BACK}, {Outcome.UP_TO_DATE}, {Outcome.DRY_RUN}",
        **{error.exit_code: error.outcome for error in RunnerError.__subclasses__()},
        **{Cancelled(name, number).exit_code: Cancelled.outcome for name, number in (("SIGINT", 2), ("SIGTERM", 15))},
    }


def rows_of_exit_codes() -> dict[str, list[str]]:
    lines = [line for line in (ROOT / "docs/exit-codes.md").read_text().split("\n") if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {first.strip("`"): rest for first, *rest in cells}


def messages() -> Sequence[object]:
    """The longest literal part of every message that the program can give, by where it is written."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            text = _message(node)
            parts = text.values if isinstance(text, ast.JoinedStr) else [text]
            literal = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            if literal and text is not None:
                longest = max(literal, key=len).strip(" :;,`(")
                found.append(pytest.param(longest, id=f"{path.relative_to(PACKAGE)}:{text.lineno}"))
    return found


def _message(node: ast.AST) -> ast.expr | None:
    """What a node of the program says to people: the message of a finding or of what becomes one."""
    match node:
        case ast.Call(
            func=ast.Name(id="Finding" | "Wrong" | "NotAWindow" | "MalformedUrl" | "SplitError" | "located"),
            args=[text, *_],
        ):
            return text
        case ast.Call(func=ast.Name(id="_at"), args=[_, _, text, *_]):
            return text
        case ast.Call(func=ast.Attribute(attr="_finding"), args=[text, *_]):
            return text
        case ast.Assign(targets=[ast.Name(id="message")], value=text):
            return text
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id="message"), *_])], value=ast.Tuple(elts=[text, *_])):
            return text
    return None


@pytest.mark.parametrize("message", messages())
def test_the_troubleshooting_page_knows_every_message(message: str) -> None:
    page = " ".join((ROOT / "docs" / "troubleshooting.md").read_text().split())
    assert message in page.replace("\\|", "|")
