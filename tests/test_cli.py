"""Command lines: what belongs to the config, and errors that end in a sentence and a code."""

import subprocess
import sys

import pytest

from mmjax import cli
from mmjax.checkpoints.store import CheckpointError
from mmjax.commands import validate
from mmjax.data import BadExample, SourceError
from mmjax.encoders import EncoderError
from mmjax.errors import ConfigError
from mmjax.objectives import TermError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--config=c.py"], ([], "c.py", [])),
        (["--config", "c.py:paper"], ([], "c.py:paper", [])),
        (["-config=c.py"], ([], "c.py", [])),
        (["--config.a.b=1", "--config=c.py"], ([], "c.py", ["a.b=1"])),
        (["--config.a.b", "1"], ([], None, ["a.b=1"])),
        (["--config.path=x=y"], ([], None, ["path=x=y"])),
        (["--config.a="], ([], None, ["a="])),
        (["--config.a=(1, 2)", "--config.a=3"], ([], None, ["a=(1, 2)", "a=3"])),
        (
            ["prog", "--workdir=w", "--configs=f", "config=c.py"],
            (["prog", "--workdir=w", "--configs=f", "config=c.py"], None, []),
        ),
    ],
)
def test_the_config_is_taken_out_of_the_words(words, expected):
    assert cli.split_config(words) == expected


@pytest.mark.parametrize("word", ["--config", "--config.steps"])
def test_a_key_without_a_value_is_named(word):
    with pytest.raises(ConfigError, match=f"^{word} needs a value: {word}=...$"):
        cli.split_config(["--config=c.py", word])


def command(monkeypatch, main, *words):
    """The code with which a command ends."""
    monkeypatch.setattr(sys, "argv", ["mmjax", *words])
    with pytest.raises(SystemExit) as end:
        cli.run(main)
    return end.value.code


@pytest.mark.smoke
def test_a_command_gets_path_and_overrides(monkeypatch):
    got = []
    code = command(monkeypatch, lambda *found: got.append(found), "--config=c.py", "--config.a=1")
    assert got == [("c.py", ["a=1"])]
    assert not code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("c.py: unknown key 'a'"), 2),
        (SourceError("there is no folder x"), 2),
        (BadExample("a.png", "image", "the file is empty"), 2),
        (EncoderError("heads=3 does not divide width=16"), 2),
        (TermError("no pair"), 2),
        (CheckpointError("could not be written"), 1),
        (OSError(28, "No space left on device"), 1),
    ],
)
def test_an_error_that_one_can_mend_is_one_sentence(monkeypatch, capsys, error, code):
    def main(path, overrides):
        raise error

    assert command(monkeypatch, main) == code
    assert capsys.readouterr().err == f"mmjax: {error}\n"


@pytest.mark.parametrize("word", cli.HELP)
def test_help_lists_the_options(monkeypatch, capsys, word):
    assert command(monkeypatch, validate.main, "--config=c.py", word) == 0
    said = capsys.readouterr().out
    assert said.startswith("Validates a data set")
    assert "\nOptions:\n  --config: A recipe, " in said
    assert "  --data: A table, " in said  # an option that it shares with others


def test_any_other_error_keeps_its_trace(monkeypatch):
    def main(path, overrides):
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(sys, "argv", ["mmjax"])
    with pytest.raises(ZeroDivisionError):
        cli.run(main)


def test_a_second_ctrl_c_says_how_to_go_on(monkeypatch, capsys):
    def main(path, overrides):
        raise KeyboardInterrupt

    assert command(monkeypatch, main) == 130
    said = capsys.readouterr().err
    assert said.startswith("mmjax: interrupted; the same command resumes from the last checkpoint")


def test_words_that_are_no_options(monkeypatch, capsys):
    def main(path, overrides):
        pytest.fail("it ran")

    assert command(monkeypatch, main, "train") == 2
    assert "mmjax: 'train' is not understood: options look like" in capsys.readouterr().err
    assert command(monkeypatch, main, "--config=c.py", "--config.steps") == 2
    assert capsys.readouterr().err == "mmjax: --config.steps needs a value: --config.steps=...\n"
    assert command(monkeypatch, main, "--wrkdir=x") == 2
    assert capsys.readouterr().err.startswith("mmjax: Unknown command line flag 'wrkdir'")


COMMANDS = (
    *("main", "evaluate", "report.__main__", "export.__main__", "embed", "explore", "beam"),
    *("claims.main", "commands.convert", "commands.select", "commands.validate", "bench.__main__"),
)


def test_one_process_may_import_all_commands_in_any_order():
    """They have flags of the same names, which one process holds once."""
    for names in (COMMANDS, COMMANDS[::-1]):
        code = f"import importlib\nfor name in {names}: importlib.import_module('mmjax.' + name)"
        subprocess.run([sys.executable, "-c", code], check=True)


def test_the_trainer_starts_without_what_few_runs_need():
    """Each of these takes half a second or more to import."""
    slow = ("matplotlib", "scipy.stats", "sklearn", "tensorflow", "torch")
    code = f"import sys, mmjax.train.trainer; print(sorted({{*{slow}}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
