"""`python -m mmjax`: the command `mmjax`, also where no script of that name is on the path."""

import sys

from mmjax.commands.console import main

if __name__ == "__main__":
    sys.exit(main())
