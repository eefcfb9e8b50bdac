"""A small shop: users log in, and refund their orders."""

import secrets

from flask import Flask, abort, request
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user, logout_user
from telemetry.integrations.flask import FlaskAudit

PASSWORDS = {"ada": "analytical", "grace": "compiler"}
ORDERS = {7: {"owner": "ada", "amount": "9.90"}, 8: {"owner": "grace", "amount": "5.00"}}

app = Flask(__name__)
app.secret_key = secrets.token_hex()
manager = LoginManager(app)
FlaskAudit(app)


class User(UserMixin):
    """A user of the shop."""

    def __init__(self, name: str) -> None:
        self.id = name


@manager.user_loader
def load_user(name: str) -> User | None:
    """Return a user that a session names."""
    return User(name) if name in PASSWORDS else None


@app.post("/login")
def login() -> str:
    """Open a session."""
    name, password = request.form["name"], request.form["password"]
    if not secrets.compare_digest(PASSWORDS.get(name, secrets.token_hex()).encode(), password.encode()):
        abort(401)
    login_user(User(name))
    return "welcome"


@app.post("/logout")
@login_required
def logout() -> str:
    """End the session."""
    logout_user()
    return "goodbye"


@app.post("/orders/<int:order_id>/refund")
@login_required
def refund(order_id: int) -> dict[str, str]:
    """Refund an order of one's own."""
    if order_id not in ORDERS:
        abort(404)
    if ORDERS[order_id]["owner"] != current_user.id:
        abort(403)
    return {"refunded": ORDERS[order_id]["amount"]}
