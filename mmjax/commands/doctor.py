"""Checks the installation: required and optional packages, devices and environment.

    mmjax doctor

The versions that are needed are those that the installed package names. Ends with code 1 when
something is missing or of another version, or when jax finds no device.
"""

import argparse
import importlib
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mmjax import cli
from mmjax.parallel.compiler import HUGE_PAGES, keep_programs

GOOD, BAD, NEUTRAL = "ok", "!!", "--"
# What is imported, too, since a package can be there and broken: package -> module.
IMPORTED = {
    "jax": "jax",
    "flax": "flax.nnx",
    "optax": "optax",
    "orbax-checkpoint": "orbax.checkpoint",
    "grain": "grain",
}
ALWAYS = ("jaxlib",)  # shown though only jax asks for them
# Extras that are for people who work on this package.
OF_DEVELOPERS = ("test", "docs", "examples")


def requirements(distribution: str = "mmjax") -> dict[str, list[Requirement]]:
    """What the installed package needs: extra -> packages; those of '' are always needed.

    Raises:
      PackageNotFoundError: when it is not installed.
    """
    about = metadata.metadata(distribution)
    found: dict[str, list[Requirement]] = {"": []}
    found |= {extra: [] for extra in about.get_all("Provides-Extra") or ()}
    for line in about.get_all("Requires-Dist") or ():
        requirement = Requirement(line)
        named = re.search(r"extra\s*==\s*[\"']([^\"']+)", line)
        if requirement.marker is None or requirement.marker.evaluate(
            {"extra": named[1] if named else ""}
        ):
            found.setdefault(named[1] if named else "", []).append(requirement)
    return found


def state(requirement: Requirement) -> tuple[str, str]:
    """(GOOD or BAD, what there is of a package)."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return BAD, f"missing, needed: {requirement.specifier or 'any'}"
    if not requirement.specifier.contains(version, prereleases=True):
        return BAD, f"{version}, needed: {requirement.specifier}"
    for extra in requirement.extras:  # jax[cuda13]: what the package's own extra asks for
        for each in requirements(requirement.name).get(extra, ()):
            if state(each)[0] == BAD:
                return BAD, f"{version}, without its extra {extra} ({each.name})"
    return GOOD, version


def packages(needed: Sequence[Requirement]) -> list[tuple[str, str, str]]:
    """(state, name, what there is) of the packages that are always needed."""
    rows = []
    for requirement in needed:
        found, said = state(requirement)
        module = IMPORTED.get(requirement.name)
        if found == GOOD and module:
            try:
                importlib.import_module(module)
            except Exception as error:  # of whatever kind a broken installation raises
                found, said = BAD, f"{said}, but import {module} fails: {error}"
        if found == GOOD and requirement.specifier:
            said += f"  (supported: {requirement.specifier})"
        rows.append((found, requirement.name, said))
    for name in ALWAYS:
        found, said = state(Requirement(name))
        rows.append((found, name, said))
    return rows


def extras(needed: Mapping[str, Sequence[Requirement]]) -> list[tuple[str, str, str]]:
    """(state, extra, what there is) of what only some recipes and commands need."""
    rows = []
    for extra, own in needed.items():
        if not extra:
            continue
        lacking = [_named(each) for each in own if state(each)[0] == BAD]
        said = f"pip install 'mmjax[{extra}]'  (for {', '.join(lacking)})"
        if extra in OF_DEVELOPERS:
            said += ", to work on mmjax"
        rows.append((NEUTRAL, extra, said) if lacking else (GOOD, extra, "installed"))
    return rows


def _named(requirement: Requirement) -> str:
    extras = ",".join(sorted(requirement.extras))
    return f"{requirement.name}[{extras}]" if extras else requirement.name


def machine() -> list[tuple[str, str, str]]:
    """(state, name, what there is) of the devices and the environment."""
    rows = []
    try:
        import jax

        devices = jax.devices()
    except Exception as error:  # a driver that is missing, a plugin of another version
        return [(BAD, "devices", f"jax finds none: {error}")]
    kinds = [device.device_kind for device in devices]
    counted = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
    rows.append((GOOD, "devices", counted))
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rows.append((GOOD, "CPUs", str(cpus)))
    keep_programs()
    kept = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    cache = str(jax.config.jax_compilation_cache_dir)  # type: ignore[attr-defined]
    advice = "none; without JAX_ENABLE_COMPILATION_CACHE=false compiled programs are kept"
    rows.append((GOOD, "cache", cache) if kept else (NEUTRAL, "cache", advice))
    if devices[0].platform == "cpu" and sys.platform == "linux":
        ((name, value),) = HUGE_PAGES.items()
        given = os.environ.get(name, "")
        advice = f"not set; export {name}={value} makes steps on a CPU about a fifth faster"
        rows.append((GOOD, name, given) if value in given else (NEUTRAL, name, advice))
    return rows


def python(needed: str) -> tuple[str, str, str]:
    """(state, 'Python', its version)."""
    version = platform.python_version()
    good = SpecifierSet(needed).contains(version, prereleases=True)
    return (GOOD if good else BAD, "Python", f"{version}  (supported: {needed})")


def main(arguments: Sequence[str]) -> int:
    """Prints all that was found."""
    argparse.ArgumentParser(
        "mmjax doctor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(arguments)
    try:
        about = metadata.metadata("mmjax")
    except metadata.PackageNotFoundError:
        cli.say("mmjax is not installed, so what it needs is not known: pip install -e .")
        return 1
    needed = requirements()
    parts = {
        f"mmjax {about['Version']}": [python(about["Requires-Python"]), *packages(needed[""])],
        "Extras": extras(needed),
        "This machine": machine(),
    }
    width = max(len(name) for rows in parts.values() for _, name, _ in rows)
    for title, rows in parts.items():
        cli.say(f"{title}:")
        for found, name, said in rows:
            cli.say(f"  {found}  {name.ljust(width)}  {said}")
    bad = [name for rows in parts.values() for found, name, _ in rows if found == BAD]
    if bad:
        cli.say(f"\nTo fix: {', '.join(bad)}. pip install --upgrade mmjax gets packages right.")
        return 1
    cli.say("\nEverything needed is installed.")
    return 0
