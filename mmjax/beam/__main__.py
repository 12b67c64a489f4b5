"""`python -m mmjax.beam`."""

from mmjax import beam, cli

if __name__ == "__main__":
    cli.run(beam.main)
