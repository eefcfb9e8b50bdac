"""A small shop that logs what it does with the logging module."""

import logging
import logging.config

logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "console": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"},
        },
        "loggers": {
            "shop": {
                "level": "INFO",
                "handlers": [
                    "console",
                ],
            },
        },
    }
)
logger = logging.getLogger("shop.orders")


def main() -> None:
    """Sell something."""
    logger.info("order %d was paid", 7, extra={"user_id": "ada", "entity": "order", "entity_id": 7})
    logger.warning("refund of order %d was denied", 7, extra={"user_id": "eve", "outcome": "denied"})


if __name__ == "__main__":
    main()
