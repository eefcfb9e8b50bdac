"""Addresses of the shop."""

from django.urls import path

from shop import views

urlpatterns = [
    path("login/", views.sign_in),
    path("orders/", views.orders),
    path("orders/<int:number>/ship/", views.ship),
    path("orders/ship/", views.ship_all),
]
