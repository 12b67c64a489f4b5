"""Settings of all encoders, found in the files of this folder, as `mmjax/encoders/` has them.

Attributes:
  SETTINGS: encoder -> `Setting`, of all files.
  FILES: the files.
  BROKEN: name of a file -> why it could not be read. `test_encoders_all.py` fails of it; the
    encoders of the other files go on.
"""

from discovery import offers

_found, BROKEN = offers(__name__, __path__, "SETTINGS")
FILES = sorted({**_found, **BROKEN})
SETTINGS = {each.encoder: each for settings in _found.values() for each in settings}
SMALL = {e: setting for e, setting in SETTINGS.items() if not setting.without}
