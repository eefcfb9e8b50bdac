"""Shows what the shop keeps in Django's admin."""

from __future__ import annotations

from django.contrib import admin

from tests.support.django_shop.models import Complaint, Customer, Order


class OrdersInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic without its stubs
    """The orders of a customer."""

    model = Order
    extra = 0


class CustomerAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Customers with their orders."""

    fields = ("name", "iban", "visits", "tags")
    inlines = (OrdersInline,)


admin.site.register(Customer, CustomerAdmin)
admin.site.register(Complaint)
