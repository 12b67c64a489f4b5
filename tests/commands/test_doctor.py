"""`mmjax doctor`: versions, extras and devices, and a code for what is missing."""

from importlib import metadata

import pytest
from packaging.requirements import Requirement

from mmjax.commands import doctor


@pytest.mark.smoke
def test_here_all_is_well(capsys):
    assert doctor.main([]) == 0
    said = capsys.readouterr().out
    for name in ("Python", "jax", "jaxlib", "flax", "orbax-checkpoint", "grain", "devices"):
        assert f"ok  {name} " in said
    assert "pip install 'mmjax[cuda]'  (for jax[cuda13]" in said
    assert "Everything needed is installed." in said


def test_a_package_that_is_missing_ends_with_1(capsys, monkeypatch):
    version = metadata.version

    def without_flax(name):
        if name == "flax":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_flax)
    assert doctor.main([]) == 1
    said = capsys.readouterr().out
    assert "!!  flax " in said
    assert "missing, needed: <" in said
    assert "To fix: flax." in said


def test_a_package_of_another_version_is_bad(monkeypatch):
    monkeypatch.setattr(metadata, "version", {"jax": "0.9.1"}.__getitem__)
    assert doctor.state(Requirement("jax>=0.10.2,<0.13")) == ("!!", "0.9.1, needed: <0.13,>=0.10.2")


def test_a_package_that_cannot_be_imported_is_bad(monkeypatch):
    def broken(name):
        raise ImportError("libcublas.so is missing")

    monkeypatch.setattr("importlib.import_module", broken)
    ((state, name, said),) = doctor.packages([Requirement("jax")])[:1]
    assert (state, name) == ("!!", "jax")
    assert "import jax fails: libcublas.so is missing" in said


def test_no_device_is_bad(monkeypatch):
    def none():
        raise RuntimeError("no driver")

    monkeypatch.setattr("jax.devices", none)
    assert doctor.machine() == [("!!", "devices", "jax finds none: no driver")]


@pytest.mark.parametrize(("given", "state"), [("", "--"), ("glibc.malloc.hugetlb=1", "ok")])
def test_huge_pages_are_advised(monkeypatch, given, state):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("GLIBC_TUNABLES", given)
    rows = {name: (found, said) for found, name, said in doctor.machine()}
    assert rows["GLIBC_TUNABLES"][0] == state
    assert "glibc.malloc.hugetlb=1" in rows["GLIBC_TUNABLES"][1]


def test_another_python_is_bad():
    assert doctor.python(">=3.11,<3.14")[0] == "ok"
    assert doctor.python(">=4")[0] == "!!"
