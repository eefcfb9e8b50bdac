"""A small shop on SQLAlchemy: it takes an order, changes it, raises all prices, and takes it back."""

from sqlalchemy import ForeignKey, create_engine, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, sessionmaker
from telemetry.integrations.sqlalchemy import SessionAudit


class Base(DeclarativeBase):
    """All tables of the shop."""


class Customer(Base):
    """Somebody who buys."""

    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    password: Mapped[str]
    orders: Mapped[list["Order"]] = relationship(back_populates="customer", cascade="all, delete-orphan")


class Order(Base):
    """What a customer buys."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    price: Mapped[int]
    customer: Mapped[Customer] = relationship(back_populates="orders")


engine = create_engine("sqlite://")
Session = sessionmaker(engine)


def main() -> None:
    """Sell something."""
    Base.metadata.create_all(engine)
    with Session() as session:
        customer = Customer(name="Ada", password="correct horse", orders=[Order(price=10), Order(price=20)])
        session.add(customer)
        session.commit()

        customer.name = "Ada Lovelace"
        session.commit()

        customer.orders[0].price = 0
        session.rollback()

        session.execute(update(Order).where(Order.price > 15).values(price=Order.price + 1))
        session.delete(customer)
        session.commit()


if __name__ == "__main__":
    with SessionAudit(Session):
        main()
