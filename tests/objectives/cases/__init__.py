"""The cases of all terms, found in the files of this folder: one file a family of terms.

Attributes:
  CASES: name -> case, of all files.
  BROKEN: name of a file -> why it could not be read. `test_cases.py` fails of it; the cases of
    the other files go on.
"""

import importlib
import pkgutil

CASES, BROKEN = {}, {}
FAMILIES = sorted(module.name for module in pkgutil.iter_modules(__path__))
for _family in FAMILIES:
    try:
        _found = importlib.import_module(f"{__name__}.{_family}").CASES
        if _twice := sorted(CASES.keys() & _found.keys()):
            raise ValueError(f"another file has the cases {_twice}, too")
        CASES.update(_found)
    except Exception as error:
        BROKEN[_family] = error


def of(general):
    """name -> case, of those to which a general test (one of PROPERTIES) applies."""
    return {name: case for name, case in CASES.items() if general not in case.without}


def first(general):
    """term -> (name, case): of every term the first case to which a general test applies."""
    found = {}
    for name, case in of(general).items():
        found.setdefault(case.word, (name, case))
    return found
