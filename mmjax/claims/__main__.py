"""`python -m mmjax.claims`."""

import sys

from absl import app

from mmjax import cli
from mmjax.claims.main import main

if any(word in cli.HELP for word in sys.argv[1:]):
    cli.show_help(main)
else:
    app.run(main)
