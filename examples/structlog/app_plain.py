"""A small shop that logs what it does with structlog."""

import structlog

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.JSONRenderer(sort_keys=True),
    ]
)
logger = structlog.get_logger("shop.orders")


def main() -> None:
    """Sell something."""
    with structlog.contextvars.bound_contextvars(user_id="ada"):
        logger.info("order paid", event_type="order.paid", entity="order", entity_id=7)
        logger.warning("refund denied", event_type="order.refunded", outcome="denied", price=10)


if __name__ == "__main__":
    main()
