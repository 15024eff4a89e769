"""Before a run under a cap: can the cap be kept at all, and does it pay a single request?"""

from decimal import Decimal

from llm_latency_lens.cost.bound import worst_case
from llm_latency_lens.errors import UsageError
from llm_latency_lens.runner.messages import Arm, Order
from llm_latency_lens.units import format_money
from llm_latency_lens.wire.dialect import load_dialect
from llm_latency_lens.workload.workload import Workload, request_for


def check_cap(order: Order) -> None:
    """Refuse a cap that can't be kept, or that can't pay a single request.

    Raises:
        UsageError: the price or the worst case is unknown, or above the cap.
    """
    if order.cap is None:
        return
    worst = max(_worst_of(arm, order.workload) for arm in order.arms)
    if worst > order.cap:
        raise UsageError(
            f"--max-cost {format_money(order.cap)}: one request can cost {format_money(worst)}; raise it or lower --max-tokens"
        )


def _worst_of(arm: Arm, workload: Workload) -> Decimal:
    if arm.price is None:
        raise UsageError(
            f"--max-cost: no price is known for {arm.target.public_name} there; give one with"
            " --prices FILE, or name the model whose price holds with --price-as"
        )
    generates = load_dialect(arm.target.dialect).streams
    return max(
        worst_case(request_for(workload, "measure", number), arm.price, generates=generates)
        for number in range(len(workload.conversations))
    )
