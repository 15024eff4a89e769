"""SGLang's Rust client out of its unpacked wheel: run_sglang.py FOLDER_OF_THE_WHEEL ARGUMENTS..."""

import importlib.util
import pathlib
import sys

(found,) = pathlib.Path(sys.argv[1]).rglob("_bench*.so")
spec = importlib.util.spec_from_file_location("_bench", found)
extension = importlib.util.module_from_spec(spec)
spec.loader.exec_module(extension)
extension.run_argv(["sglang-bench", *sys.argv[2:]])
