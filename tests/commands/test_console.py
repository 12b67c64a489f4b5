"""The command `mmjax`: its list, its errors, and that it hands on to what `python -m` runs."""

import subprocess
import sys

import pytest

from mmjax.commands import console, modules
from mmjax.errors import ConfigError


def ended(call, *words):
    """The code with which a command ends, whether it returns or leaves."""
    try:
        return call(list(words))
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_the_help_lists_every_command(capsys, words):
    assert console.main(words) == 0
    said = capsys.readouterr().out
    for name, command in console.COMMANDS.items():
        assert f"  mmjax {name}" in said
        assert command.about in said
    assert max(map(len, said.splitlines())) <= 120


def test_every_command_is_somewhere():
    own = {name for name, command in console.COMMANDS.items() if command.module}
    assert own | {*modules.MODULES, "data"} == set(console.COMMANDS)
    for command in console.COMMANDS.values():
        if command.module:
            __import__(command.module)


@pytest.mark.smoke
def test_help_and_version_wait_for_nothing_heavy():
    program = (
        "import sys; from mmjax.commands import console; console.main(['--help']); "
        "console.main(['--version']); print({'jax', 'numpy', 'flax'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2].startswith("mmjax ")
    assert done.stdout.splitlines()[-1] == "set()"


def test_an_unknown_command_is_answered_with_the_nearest(capsys):
    assert ended(console.main, "recipe") == 2
    assert "there is no command 'recipe'; did you mean 'recipes'?" in capsys.readouterr().err
    assert ended(console.main, "qqq") == 2
    assert "'qqq'; `mmjax --help` lists them" in capsys.readouterr().err


def test_an_error_that_one_can_mend_is_one_sentence(capsys, monkeypatch):
    def fails(arguments):
        raise ConfigError("c.py: unknown key 'a'")

    monkeypatch.setattr("mmjax.commands.doctor.main", fails)
    assert ended(console.main, "doctor") == 2
    assert capsys.readouterr().err == "mmjax: c.py: unknown key 'a'\n"


@pytest.fixture
def ran(monkeypatch):
    """What was run as the main program: (module, its words) each."""
    found = []

    def run_module(name, run_name, alter_sys):
        assert (run_name, alter_sys) == ("__main__", True)
        found.append((name, sys.argv[1:]))

    monkeypatch.setattr("runpy.run_module", run_module)
    monkeypatch.setattr(sys, "argv", ["mmjax"])
    return found


@pytest.mark.parametrize(
    ("words", "module", "given"),
    [
        ("train clip --config.steps=3", "mmjax.main", ["--config=clip", "--config.steps=3"]),
        ("train --config=clip.py:x", "mmjax.main", ["--config=clip.py:x"]),
        ("evaluate runs/a --checkpoint=best", "mmjax.evaluate", ["--workdir=runs/a"]),
        ("report runs/a", "mmjax.report", ["--workdir=runs/a"]),
        ("claims tcl --out=x", "mmjax.claims", ["tcl", "--out=x"]),
        ("export runs/a --format=hf", "mmjax.export", ["--workdir=runs/a", "--format=hf"]),
        ("embed runs/a --out=x.npz", "mmjax.embed", ["--model=runs/a", "--out=x.npz"]),
        ("data convert --out=x", "mmjax.data.convert", ["--out=x"]),
        ("bench loss --help", "mmjax.bench", ["loss", "--help"]),
    ],
)
def test_a_command_is_the_module_with_the_same_words(ran, words, module, given):
    assert console.main(words.split()) == 0
    ((name, got),) = ran
    assert (name, got[: len(given)]) == (module, given)


@pytest.mark.parametrize("word", ["-h", "--help"])
@pytest.mark.parametrize("command", [*modules.MODULES, *(f"data {name}" for name in modules.DATA)])
def test_help_is_the_modules_own(ran, capsys, command, word):
    more = [] if command == "bench" else ["--x=1"]  # each benchmark has help of its own
    assert console.main([*command.split(), *more, word]) == 0
    ((_, words),) = ran
    assert words == ["--help"]
    assert capsys.readouterr().out.startswith(f"mmjax {command} ")


def test_what_lacks_words_says_which(ran, capsys):
    assert ended(console.main, "train") == 2
    assert "train needs more words, such as: mmjax train clip_uniform" in capsys.readouterr().err
    assert ended(console.main, "data", "valdate") == 2
    assert "data has no 'valdate'; did you mean 'validate'?" in capsys.readouterr().err
    assert console.main(["data"]) == 0
    assert "mmjax data train_tokenizer" in capsys.readouterr().out
    assert ran == []


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("train --help", "--workdir: Folder of the run."),
        ("help embed", "--data: A table"),
        ("data convert -h", "--shard_mb: "),
        ("export --help", "--format: hf"),
        ("bench --help", "  loss "),
    ],
)
def test_a_command_has_help_of_its_own(words, option):
    """In a process of its own: flags of two commands may have one name."""
    done = subprocess.run(
        [sys.executable, "-m", "mmjax", *words.split()], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("mmjax ")
    assert option in done.stdout


@pytest.mark.smoke
def test_train_is_the_main_program(tmp_path):
    """As a process: an error of the recipe ends it with the sentence and the code of `main`."""
    done = subprocess.run(
        [sys.executable, "-m", "mmjax", "train", "clip_unifrom"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "mmjax: there is no config file clip_unifrom; did you mean clip_uniform?" in done.stderr
