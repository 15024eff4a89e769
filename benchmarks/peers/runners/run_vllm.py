"""vLLM's `bench serve` out of its unpacked wheel: the benchmark's own code, the rest of vLLM stood in for.

Run by the peer's Python: run_vllm.py FOLDER_OF_THE_WHEEL ARGUMENTS...
"""

import argparse
import asyncio
import importlib.abc
import importlib.machinery
import logging
import pathlib
import sys
import types

ROOT = pathlib.Path(sys.argv[1])


class Anything:
    """Stands for whatever the benchmark imports and, for these options, never uses."""

    def __init__(self, *_args, **_kwargs):
        pass

    def __call__(self, *_args, **_kwargs):
        return self

    def __getattr__(self, _name):
        return self


def _tokenizer(name, *_args, **_kwargs):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(name)


KNOWN = {
    "FlexibleArgumentParser": argparse.ArgumentParser,
    "TokenizerLike": object,
    "get_tokenizer": _tokenizer,
    "init_logger": logging.getLogger,
    "join_host_port": lambda host, port: f"{host}:{port}",
    "freeze_gc_heap": lambda: None,
    "is_mistral_tokenizer": lambda _tokenizer: False,
    "PlaceholderModule": Anything,
    "LoRARequest": Anything,
    "MultiModalDataDict": dict,
}


class Stub(types.ModuleType):
    """A module of vLLM that was not unpacked."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return KNOWN.get(name, Anything())


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every other module of vLLM, as a stub."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] != "vllm":
            return None
        here = ROOT / pathlib.Path(*name.split("."))
        if here.with_suffix(".py").exists() or (here / "__init__.py").exists():
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = Stub(spec.name)
        # The benchmark's own package lies in the folder; everything beside it is a stub.
        module.__path__ = [str(ROOT / pathlib.Path(*spec.name.split(".")))]
        return module

    def exec_module(self, module):
        pass


sys.path.insert(0, str(ROOT))
sys.meta_path.append(Finder())

from vllm.benchmarks import serve

parser = argparse.ArgumentParser()
serve.add_cli_args(parser)
arguments = parser.parse_args(sys.argv[2:])
asyncio.run(serve.main_async(arguments))
