"""`python -m mmjax.data.validate`: the command of `mmjax.commands.validate`."""

from mmjax import cli
from mmjax.commands.validate import main

if __name__ == "__main__":
    cli.run(main)
