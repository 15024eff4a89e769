"""`import`: result files of other tools, under our names where the definitions agree."""

import pathlib
import sys

import click

from llm_latency_lens.cli.options import JSON, options
from llm_latency_lens.errors import UsageError

_TOOLS = ("vllm", "sglang", "aiperf", "genai-perf", "guidellm", "inference-perf", "genai-bench", "llmperf", "llmeter", "evalscope")  # fmt: skip


@click.command("import")
@click.argument("tool", metavar="TOOL", type=click.Choice(_TOOLS))
@click.argument("file", type=click.Path())
@options(JSON)
def importing(tool: str, file: str, *, as_json: bool) -> int:
    r"""Read a result file of another tool.

    Numbers stay as the tool defines them: docs/as-other-tools.md. TOOL and its FILE:

    \b
      vllm             what --save-result wrote
      sglang           the --output-file
      aiperf           profile_export_aiperf.json
      genai-perf       profile_export_genai_perf.json
      guidellm         benchmarks.json with one benchmark
      inference-perf   summary_lifecycle_metrics.json
      genai-bench      the JSON of one concurrency
      llmperf          the ..._summary.json
      llmeter          stats.json
      evalscope        benchmark_summary.json
    """
    import msgspec  # noqa: PLC0415

    from llm_latency_lens.metrics.imports import read_import  # noqa: PLC0415
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.report.imported import imported_report  # noqa: PLC0415

    try:
        data = pathlib.Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"can't read {file!r}: {error.strerror}") from None
    found = read_import(tool, data, file)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        print_report(imported_report(found), sys.stdout)
    return 0
