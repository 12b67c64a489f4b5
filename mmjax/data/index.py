"""`python -m mmjax.data.index`: the command of `mmjax.commands.index`."""

from mmjax import cli
from mmjax.commands.index import main

if __name__ == "__main__":
    cli.run(main)
