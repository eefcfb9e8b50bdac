"""A small shop: users who are logged in read orders and refund them."""

import base64
import secrets

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser, requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from telemetry.integrations.fastapi import AuditMiddleware

PASSWORDS = {"ada": "analytical", "grace": "compiler"}
ORDERS = {7: {"owner": "ada", "amount": "9.90"}, 8: {"owner": "grace", "amount": "5.00"}}


class BasicUsers(AuthenticationBackend):
    """Believes HTTP's basic authentication."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        header = conn.headers.get("Authorization")
        if header is None:
            return None
        try:
            name, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        except ValueError:
            raise AuthenticationError from None
        if not secrets.compare_digest(PASSWORDS.get(name, secrets.token_hex()).encode(), password.encode()):
            raise AuthenticationError
        return AuthCredentials(["authenticated"]), SimpleUser(name)


def refuse(_conn: HTTPConnection, _error: AuthenticationError) -> Response:
    """Answer a wrong password."""
    return PlainTextResponse("wrong name or password", 401, {"WWW-Authenticate": "Basic"})


def send_mail(owner: str) -> None:
    """Tell the owner; a real shop would."""


app = FastAPI(middleware=[Middleware(AuthenticationMiddleware, backend=BasicUsers(), on_error=refuse)])
app.add_middleware(AuditMiddleware)


@app.get("/orders/{order_id}")
@requires("authenticated", status_code=401)
async def show(request: Request, order_id: int) -> dict[str, str]:
    """Return an order."""
    return found(order_id)


@app.post("/orders/{order_id}/refund")
@requires("authenticated", status_code=401)
def refund(request: Request, order_id: int, tasks: BackgroundTasks) -> dict[str, str]:
    """Refund an order of one's own."""
    order = found(order_id)
    if order["owner"] != request.user.identity:
        raise HTTPException(403, "not your order")
    tasks.add_task(send_mail, order["owner"])
    return {"refunded": order["amount"]}


def found(order_id: int) -> dict[str, str]:
    """Return an order, or answer that there is none."""
    if order_id not in ORDERS:
        raise HTTPException(404, "no such order")
    return ORDERS[order_id]
