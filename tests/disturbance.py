"""Functions that fail when they are told to."""

import threading

import numpy as np


class Disturbed:
    """A function that counts its calls, and does something else at one of them."""

    def __init__(self, function):
        self.function, self.calls, self.stop, self.instead = function, 0, None, None
        self.threads = set()

    def __call__(self, *args, **kwargs):
        self.calls += 1
        self.threads.add(threading.current_thread().name)
        if self.calls - 1 == self.stop:
            self.instead()
        return self.function(*args, **kwargs)


def cheap_prediction(predictor, x, *, device):
    """What costs nothing and depends on the data."""
    return np.clip(np.abs(x[..., 0]), 0, 1)
