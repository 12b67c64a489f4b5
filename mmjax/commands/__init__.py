"""Commands: those of `mmjax`, and of `python -m mmjax.data.validate` and its like."""
