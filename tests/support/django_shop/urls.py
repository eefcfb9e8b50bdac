"""Maps the addresses of the shop."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

from tests.support.django_shop import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("orders/<str:number>/", views.order),
    path("later/<str:number>/", views.order_async),
    path("visits/", views.visit),
    path("login/", views.log_in),
    path("logout/", views.log_out),
    path("token/", views.with_token),
    path("api/", views.Visits.as_view()),
    path("forbidden/", views.forbidden),
    path("broken/", views.broken),
    path("broken-later/", views.broken_async),
    path("stream/", views.stream),
    path("stream-later/", views.stream_async),
    path("stream-broken/", views.stream_broken),
    path("file/", views.file),
    path("mail/", views.mail),
]
