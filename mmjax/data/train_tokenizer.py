"""`python -m mmjax.data.train_tokenizer`: the command of `mmjax.commands.train_tokenizer`."""

from mmjax import cli
from mmjax.commands.train_tokenizer import main

if __name__ == "__main__":
    cli.run(main)
