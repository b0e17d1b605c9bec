"""The end of a start: the process says that it can work, and what the start left behind is not searched for garbage."""

import gc


def say_ready(name: str) -> None:
    """Print `ready: <name>`, which the supervisor waits for (`processes`)."""
    settle()
    print(f"ready: {name}", flush=True)


def settle() -> None:
    """Search everything that is held for garbage once, and leave what is kept out of later searches (`gc.freeze`).

    Models, libraries and mappers are hundreds of thousands of objects that stay; every full collection looked through
    them again, 150 to 230 ms in which the process answered nobody, some times a minute under load.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
