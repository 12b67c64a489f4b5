"""`python -m mmjax.data.convert`: the command of `mmjax.commands.convert`."""

from mmjax import cli
from mmjax.commands.convert import main

if __name__ == "__main__":
    cli.run(main)
