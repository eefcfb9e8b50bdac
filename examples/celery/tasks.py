"""A shop whose slow work is done by Celery."""

import celery
from telemetry.integrations.celery import Celery

app = Celery("shop", broker="filesystem://", backend="file://results")
app.conf.update(
    broker_transport_options={"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"},
    task_acks_late=True,
)


@app.task(name="shop.reserve")
def reserve(order: int) -> int:
    if order < 0:
        raise PermissionError("not your order")
    return order


@app.task(name="shop.charge", bind=True, max_retries=1, default_retry_delay=0)
def charge(self, order: int) -> int:
    if self.request.retries == 0:
        raise self.retry(exc=ConnectionError("the bank does not answer"))
    return order


@app.task(name="shop.notify")
def notify(order: int) -> str:
    return f"order {order} is on its way"


def place(order: int):
    """Start the work on an order."""
    return celery.chain(reserve.s(order), charge.s(), notify.s()).apply_async()
