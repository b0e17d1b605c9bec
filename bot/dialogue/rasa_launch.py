"""`python rasa_launch.py train|run|shell|test ...`: the Rasa command line with our cures in place."""

import os
import sys
import warnings


def leave_out_deprecations():
    """Rasa's command line turns the filters on again (`configure_logging_and_warnings`), so they are left out later."""
    show = warnings.showwarning

    def shown(message, category, *place, **more):
        if not issubclass(category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning)):
            show(message, category, *place, **more)

    warnings.showwarning = shown


def main():
    os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
    os.environ.setdefault("SQLALCHEMY_SILENCE_UBER_WARNING", "1")
    warnings.simplefilter("ignore")  # deprecations of pinned libraries, thousands of lines of them
    leave_out_deprecations()
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import rasa_stub_tensorflow

    rasa_stub_tensorflow.install()
    import rasa_cures
    from rasa.__main__ import main as rasa_main

    rasa_cures.apply()
    if sys.argv[1:2] == ["run"]:
        import rasa_speed

        rasa_speed.apply()
    rasa_main()


if __name__ == "__main__":
    main()
