"""The cases of all terms, found in the files of this folder: one file a family of terms.

Attributes:
  CASES: name -> case, of all files.
  FAMILIES: the files.
  BROKEN: name of a file -> why it could not be read. `test_cases.py` fails of it; the cases of
    the other files go on.
"""

from discovery import offers

_found, BROKEN = offers(__name__, __path__, "CASES")
FAMILIES = sorted({**_found, **BROKEN})
CASES = {}
for _family, _cases in _found.items():
    if _twice := sorted(CASES.keys() & _cases.keys()):
        BROKEN[_family] = ValueError(f"another file has the cases {_twice}, too")
    CASES.update(_cases)


def of(general):
    """name -> case, of those to which a general test (one of PROPERTIES) applies."""
    return {name: case for name, case in CASES.items() if general not in case.without}


def first(general):
    """term -> (name, case): the case of every term to which a general test applies.

    It is the one with the term's own name, and where that test leaves this one out, the first.
    """
    found = {}
    for name, case in of(general).items():
        if case.word not in found or name == case.word:
            found[case.word] = (name, case)
    return found
