"""Import Rasa 3.6 without TensorFlow: a third of the memory, half of the start (no policy of ours uses it).

Rasa imports TensorFlow unconditionally (`core/policies/policy.py` -> ... -> `utils/tensorflow/callback.py`).
This finder serves a permissive stand-in for those modules. It may go when Rasa imports TensorFlow lazily.
The stock bot of `kefu bench turns` runs without this module, with the real thing.
"""

import importlib.machinery
import os
import sys
import types

NAMES = ("tensorflow", "tensorflow_hub", "tensorflow_text", "tensorflow_addons", "keras")


class _Meta(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything

    def __call__(cls, *args, **kwargs):
        if cls is not Anything:
            raise RuntimeError("TensorFlow is left out of the dialogue process")
        # used as a decorator: hand the function back
        return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else Anything


class Anything(metaclass=_Meta):
    """Any attribute, any decorator, any base class; never an instance of a subclass."""


class _Module(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything


class _Finder:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NAMES:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Module(spec.name)

    def exec_module(self, module):
        pass


def install():
    """Call before the first import of rasa."""
    os.environ["USE_TF"] = "0"  # else transformers believes in the stand-in
    sys.meta_path.insert(0, _Finder())
