"""What happens to a run in the middle."""

from mmjax.train import step as step_lib


def before_step(monkeypatch, number, action):
    """Calls `action` when step `number`, counted from 1, is about to be dispatched."""
    make = step_lib.make

    def wrapped(*args):
        step = make(*args)

        def call(state, batch):
            if int(state.step) + 1 == number:
                action()
            return step(state, batch)

        return call

    monkeypatch.setattr(step_lib, "make", wrapped)
