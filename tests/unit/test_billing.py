"""What a server says of the price, and what is made of it: tiers, bills, other models, audio."""

import json
from array import array
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.support.records import answered
from tests.unit.test_checks import judged
from tests.wire.corpus import DONE, chunk

from llm_latency_lens.cost.book import PriceBook, price_named
from llm_latency_lens.cost.catalogue import catalogue_price
from llm_latency_lens.cost.charge import charge
from llm_latency_lens.cost.estimate import estimate
from llm_latency_lens.cost.price import Price, Rates, ServiceRates
from llm_latency_lens.cost.price_file import PriceEntry
from llm_latency_lens.cost.service import asked_tier
from llm_latency_lens.errors import UsageError
from llm_latency_lens.interpret.interpret import Subject, interpret, subject_of
from llm_latency_lens.metrics.spending import Spending
from llm_latency_lens.model.record import Charge, Record, TokenCounts
from llm_latency_lens.model.recording import Attempt, Ending, EndKind, Head, Marks, Recording
from llm_latency_lens.model.request import Limits, Message, Request
from llm_latency_lens.model.result import Cost
from llm_latency_lens.providers.target import resolve_target
from llm_latency_lens.providers.where import Where
from llm_latency_lens.report.spending import spending
from llm_latency_lens.wire.billing import billing_of

DAY = date(2026, 11, 20)
PRICE = Price(
    rates=Rates(input=Decimal(2), output=Decimal(10)),
    services=(ServiceRates(service="flex", rates=Rates(input=Decimal(1), output=Decimal(5))),),
    source="x",
)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}


def record(
    usage: dict[str, Any],
    subject: Subject | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    **top: Any,  # noqa: ANN401 - fields of a chunk
) -> Record:
    """The record of a chat stream whose last chunk has this usage."""
    last = chunk({}, "stop", usage=usage, **top)
    body = chunk({"content": "hello there"}) + last + DONE
    stream = ("content-type", "text/event-stream")
    recording = Recording(
        marks=Marks(sent=1, ended=9),
        ending=Ending(EndKind.COMPLETE),
        head=Head(200, (stream, *headers)),
        body=body,
        reads=array("q", (len(body), 5, 5, 5)).tobytes(),
    )
    attempt = Attempt(
        number=0, phase="measure", worker=0, intended=1, dequeued=1, recording=recording
    )
    return interpret(attempt, subject or Subject(target="m", dialect="openai_chat", price=PRICE))


@pytest.mark.parametrize(
    ("usage", "charged"),
    [
        ({"cost": 0.00014}, "0.00014"),
        ({"cost": "0.0045"}, "0.0045"),
        (
            {"cost": {"input_tokens_cost": 0.0, "request_cost": 0.005, "total_cost": 0.00515}},
            "0.00515",
        ),
        ({"estimated_cost": 2.6e-06}, "0.0000026"),
        ({"cost_usd": 0.25}, "0.25"),
        ({"cost_in_usd_ticks": 2709000}, "0.0002709"),
        ({"cost": 0.0002709, "cost_in_usd_ticks": 2709000}, "0.0002709"),
        (
            {"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}},
            "0.021",
        ),
        (
            {"cost": 0.02, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.02}},
            "0.02",
        ),
        ({"cost": -1}, None),
        ({"cost": True}, None),
        ({"cost": "NaN"}, None),
        ({"cost": "1e400"}, None),
        ({"cost": "free"}, None),
        ({"cost": None}, None),
        ({}, None),
    ],
)
def test_a_servers_charge_is_read_in_every_shape(
    usage: dict[str, Any], charged: str | None
) -> None:
    """As OpenRouter, Perplexity, DeepInfra, xAI and LiteLLM write it; what is no amount is none."""
    found = record({**USAGE, **usage}).charged
    assert found == (None if charged is None else Decimal(charged))


@pytest.mark.parametrize(
    ("value", "of_stream", "of_document"),
    [("0.0009885", "0.0009885", "0.0009885"), ("0.0", None, "0.0"), ("None", None, None)],
)
def test_a_gateways_header_tells_what_it_charged(
    value: str, of_stream: str | None, of_document: str | None
) -> None:
    """LiteLLM: a stream's head is written before the cost is known, so its 0 says nothing."""
    headers = (("x-litellm-response-cost", value),)
    found = record(USAGE, headers=headers).charged, _document(headers).charged
    expected = (of_stream, of_document)
    assert found == tuple(None if text is None else Decimal(text) for text in expected)


def _document(headers: tuple[tuple[str, str], ...]) -> Record:
    whole = {
        "id": "x",
        "model": "m",
        "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    body = json.dumps(whole).encode()
    recording = Recording(
        marks=Marks(sent=1, ended=9),
        ending=Ending(EndKind.COMPLETE),
        head=Head(200, (("content-type", "application/json"), *headers)),
        body=body,
        reads=array("q", (len(body), 5, 5, 5)).tobytes(),
    )
    attempt = Attempt(
        number=0, phase="measure", worker=0, intended=1, dequeued=1, recording=recording
    )
    subject = Subject(target="m", dialect="openai_chat", streamed=False, price=PRICE)
    return interpret(attempt, subject)


@pytest.mark.parametrize(
    ("usage", "beside", "tier"),
    [
        ({}, "default", "default"),
        ({"service_tier": "priority"}, None, "priority"),
        ({"trafficType": "ON_DEMAND_FLEX"}, None, "flex"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, None, "provisioned_throughput"),
        ({"service_tier": 7}, None, None),
    ],
)
def test_a_service_tier_has_one_name(
    usage: dict[str, Any], beside: str | None, tier: str | None
) -> None:
    """As OpenAI, Anthropic and Gemini say it."""
    found = billing_of(usage, beside)
    assert [one.tier for one in found] == ([tier] if tier else [])


def test_the_tier_that_answered_is_charged_not_the_one_that_was_asked_for() -> None:
    """Asked for flex and served by default, or the other way round: the answer's word counts."""
    flex = record(USAGE, service_tier="flex")
    default = record(USAGE, service_tier="default")
    unknown = record(USAGE, service_tier="scale")
    assert flex.cost is not None
    assert default.cost is not None
    assert unknown.cost is not None
    assert flex.cost.total * 2 == default.cost.total == Decimal("0.003")
    assert (flex.cost.estimated, default.cost.estimated) == (False, False)
    assert unknown.cost.total == default.cost.total
    assert unknown.cost.estimated


@pytest.mark.parametrize(
    ("extra", "tier"),
    [
        ({"service_tier": "flex"}, "flex"),
        ({"serviceTier": {"type": "priority"}}, "priority"),
        ({"service_tier": 5}, None),
        ({}, None),
    ],
)
def test_the_tier_that_was_asked_for(extra: dict[str, Any], tier: str | None) -> None:
    """Of any dialect's request."""
    assert asked_tier(extra) == tier


def test_an_estimate_is_of_the_tier_that_is_asked_for() -> None:
    """Half the price for flex, before anything is sent."""
    plain = Request(messages=(Message("user", "x" * 400),), max_tokens=100)
    flex = msgspec.structs.replace(plain, extra={"service_tier": "flex"})
    whole, half = (estimate((wish,), 10, PRICE) for wish in (plain, flex))
    assert whole is not None
    assert half is not None
    assert whole.high == 2 * half.high


def test_a_server_that_names_a_tier_for_each_request_fills_no_memory() -> None:
    """Sixteen names are kept, the others are counted together."""
    records = (
        msgspec.structs.replace(answered(n, 0.0, 1.0), service_tier=f"t{n}") for n in range(99)
    )
    tiers = _cost(*records).service_tiers
    assert len(tiers) == 17
    assert tiers["others"] == 83


def test_m7_the_catalogue_knows_tiers() -> None:
    """M7: gpt-4o by priority: 4.25 for input and 17 for output, per million."""
    price = catalogue_price("openai", "gpt-4o", DAY)
    assert price is not None
    tokens = TokenCounts(input=1000, output=100, source="usage")
    found = charge(tokens, price, "priority")
    assert found is not None
    assert found.total == (1000 * Decimal("4.25") + 100 * Decimal(17)) / 1_000_000
    assert not found.estimated


def test_m7_audio_tokens_are_not_charged_as_text() -> None:
    """M7: 17 text tokens in, 110 text and 482 audio tokens out; without its price, unknown."""
    usage = {
        "prompt_tokens": 17,
        "completion_tokens": 592,
        "prompt_tokens_details": {"audio_tokens": 0},
        "completion_tokens_details": {"audio_tokens": 482},
    }
    rates = Rates(input=Decimal("2.5"), output=Decimal(10), audio_output=Decimal(80))
    known = Subject(target="m", dialect="openai_chat", price=Price(rates=rates, source="x"))
    found = record(usage, known).cost
    assert found is not None
    assert found.output == Decimal("0.0011")
    assert found.audio == Decimal("0.03856")
    assert record(usage).cost is None


def test_m7_what_is_counted_twice_is_charged_once() -> None:
    """M7: cached audio is among the cached tokens; absurd counts earn no money."""
    rates = Rates(input=Decimal(4), cached=Decimal(1), output=Decimal(10), audio_input=Decimal(40))
    price = Price(rates=rates, source="x")
    heard = TokenCounts(input=100, cached=80, audio_input=60, output=0, source="usage")
    found = charge(heard, price)
    assert found is not None
    assert found.input == 0
    assert found.cached == Decimal("0.00008")
    assert found.audio == 20 * Decimal(40) / 1_000_000
    absurd = charge(TokenCounts(input=50, cached=10**6, output=10, source="usage"), price)
    assert absurd is not None
    assert absurd.total == (50 * Decimal(1) + 10 * Decimal(10)) / 1_000_000


def test_m7_input_that_is_counted_and_not_billed_costs_nothing() -> None:
    """M7: Cohere counts its template's tokens, and bills those of the prompt."""
    tokens = TokenCounts(input=71, billed_input=5, output=10, source="usage")
    found = charge(tokens, PRICE)
    assert found is not None
    assert found.input == 5 * Decimal(2) / 1_000_000


def _entry(model: str, dollars: int) -> PriceEntry:
    price = Price(rates=Rates(input=Decimal(dollars), output=Decimal(dollars)), source="file")
    return PriceEntry(
        provider="azure", model=model, service="", begins=None, ends=None, price=price
    )


@pytest.mark.parametrize(
    ("known", "named", "total", "marked"),
    [
        ((), "gpt-x-2026-01-01", None, None),
        (("gpt-x*",), "gpt-x-2026-01-01", "0.0011", "gpt-x-2026-01-01"),
        (("my-deployment",), "something-else", "0.0011", None),
        (("my-deployment", "gpt-x*"), "gpt-x-2026-01-01", "0.0022", "gpt-x-2026-01-01"),
    ],
)
def test_m2_the_model_that_answered_is_charged_and_marked(
    known: tuple[str, ...], named: str, total: str | None, marked: str | None
) -> None:
    """M2: a deployment's name has no price, the model behind it has: by the answer's own name."""
    entries = tuple(_entry(model, dollars) for dollars, model in enumerate(known, 1))
    book = PriceBook(DAY, entries)
    target = resolve_target(
        "azure:my-deployment",
        Where(base_url="http://127.0.0.1:1/v1"),
        {"AZURE_OPENAI_API_KEY": "k" * 20},
    )
    price = book.price_of("azure", "my-deployment", None)
    subject = subject_of(target, Limits(), streamed=True, price=price, book=book)
    found = record(USAGE, subject, model=named).cost
    if total is None:
        assert found is None
        return
    assert found is not None
    assert (found.total, found.model) == (Decimal(total), marked)
    assert found.estimated == (price is None)


def test_m2_a_gateways_answer_is_charged_as_the_model_it_names() -> None:
    """M2: at an address of its own no price is known; the answer's name has one."""
    book = PriceBook(DAY)
    where = Where(base_url="http://127.0.0.1:1/v1")
    for model in ("my-alias", "gpt-4o"):
        target = resolve_target(f"openai:{model}", where, {})
        subject = subject_of(target, Limits(), streamed=True, book=book)
        found = record(USAGE, subject, model="gpt-4o").cost
        assert found is not None
        assert found.total == Decimal("0.0035")
        assert (found.model, found.estimated) == ("gpt-4o", True)
    own = resolve_target("vllm:gpt-4o", Where(), {})
    assert record(USAGE, subject_of(own, Limits(), streamed=True, book=book)).cost is None


def test_m2_the_price_of_another_name_is_named() -> None:
    """M2: `--price-as` takes provider:model, and refuses what nobody knows."""
    book = PriceBook(DAY)
    assert price_named(book, "openai:gpt-4o") == catalogue_price("openai", "gpt-4o", DAY)
    for name, words in (("gpt-4o", "provider:model"), ("openai:nothing-x", "no price is known")):
        with pytest.raises(UsageError, match=words):
            price_named(book, name)


def _charge(dollars: int) -> Charge:
    nothing = Decimal(0)
    return Charge(
        total=Decimal(dollars),
        input=Decimal(dollars),
        cached=nothing,
        cache_write=nothing,
        output=nothing,
        reasoning=nothing,
    )


def _cost(*records: Record) -> Cost:
    fold = Spending()
    for one in records:
        fold.add(one)
    return fold.cost(len(records), {"source": "x", "as_of": None, "notes": ()}, "")


def test_the_servers_bill_stands_beside_ours() -> None:
    """Totals over the same requests, and by how much they are apart."""
    ours = _charge(2)
    billed = msgspec.structs.replace(
        answered(0, 0.0, 1.0), cost=ours, charged=Decimal(3), service_tier="flex"
    )
    unpriced = msgspec.structs.replace(billed, cost=None)
    cost = _cost(billed, billed, unpriced)
    assert cost.bill is not None
    assert (cost.bill.total, cost.bill.requests, cost.bill.compared) == ("9", 3, 2)
    assert (cost.bill.compared_total, cost.bill.own_total) == ("6", "4")
    section = spending(msgspec.structs.replace(cost, service_tier="priority"))
    assert section is not None
    shown = {fact.label: fact for fact in section.facts}
    assert "+50.0%" in shown["provider's bill"].remark
    assert shown["provider's bill"].tone == "warn"
    assert shown["service tier"].value == "flex (3 requests)"
    assert shown["service tier"].tone == "warn"


def test_a_run_whose_prices_are_of_another_model_says_so() -> None:
    """In the section on cost, with what to do."""
    found = msgspec.structs.replace(_charge(1), model="gpt-x")
    section = spending(_cost(msgspec.structs.replace(answered(0, 0.0, 1.0), cost=found)))
    assert section is not None
    fact = next(fact for fact in section.facts if fact.label == "priced as")
    assert fact.value == "gpt-x (1 request)"
    assert "--price-as" in fact.remark


def test_m5_an_estimate_is_counted_as_one() -> None:
    """M5: a stream without usage costs what its characters say, and the result says so."""
    records = [answered(n, n * 100.0, 10.0) for n in range(3)]
    assert judged(records).cost is not None
    body = chunk({"content": "x" * 400}) + chunk({}, "stop") + DONE
    recording = Recording(
        marks=Marks(sent=1, ended=9),
        ending=Ending(EndKind.COMPLETE),
        head=Head(200, (("content-type", "text/event-stream"),)),
        body=body,
        reads=array("q", (len(body), 5, 5, 5)).tobytes(),
    )
    attempt = Attempt(
        number=0,
        phase="measure",
        worker=0,
        intended=1,
        dequeued=1,
        recording=recording,
        prompt_characters=4000,
    )
    subject = Subject(target="m", dialect="openai_chat", price=PRICE)
    found = interpret(attempt, subject)
    assert found.tokens.input is None
    assert found.cost is not None
    assert found.cost.estimated
    assert found.cost.total == (1000 * Decimal(2) + 100 * Decimal(10)) / 1_000_000
    assert _cost(found).estimated == 1
