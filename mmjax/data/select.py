"""`python -m mmjax.data.select`: the command of `mmjax.commands.select`."""

from mmjax import cli
from mmjax.commands.select import main

if __name__ == "__main__":
    cli.run(main)
