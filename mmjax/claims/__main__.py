"""`python -m mmjax.claims`."""

from absl import app

from mmjax.claims.main import main

app.run(main)
