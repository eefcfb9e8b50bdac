"""What the shop answers."""

from django.contrib.auth import authenticate, login
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse

from shop.models import Order


def sign_in(request):
    user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
    if user is None:
        return HttpResponse("wrong name or password\n", status=401)
    login(request, user)
    return HttpResponse("welcome\n")


def orders(request):
    if not request.user.is_authenticated:
        raise PermissionDenied
    order = Order.objects.create(article=request.POST["article"])
    return HttpResponse(f"{order.pk}\n")


def ship(request, number):
    changed = Order.objects.filter(pk=number, state="new").update(state="shipped")
    return HttpResponse(f"{changed}\n")


async def ship_all(request):
    changed = await Order.objects.filter(state="new").aupdate(state="shipped")
    return HttpResponse(f"{changed}\n")
