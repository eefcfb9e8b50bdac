"""Defines what the shop keeps."""

from __future__ import annotations

import uuid

from django.db import models

from telemetry.integrations.django import audited_model


class Tag(models.Model):
    name = models.CharField(max_length=20)


@audited_model(mask=["iban"], exclude=["search"])
class Customer(models.Model):
    name = models.CharField(max_length=100)
    iban = models.CharField(max_length=40, blank=True)
    api_token = models.CharField(max_length=40, blank=True)
    search = models.TextField(blank=True)
    balance = models.DecimalField(max_digits=9, decimal_places=2, default=0)
    visits = models.IntegerField(default=0)
    active = models.BooleanField(default=True)
    born = models.DateField(null=True)
    seen = models.DateTimeField(null=True)
    stay = models.DurationField(null=True)
    data = models.JSONField(default=dict)
    photo = models.BinaryField(null=True)
    contract = models.FileField(null=True, upload_to="contracts")
    text = models.TextField(blank=True)
    upper = models.GeneratedField(
        expression=models.functions.Upper("name"), output_field=models.CharField(max_length=100), db_persist=True
    )
    advisor = models.ForeignKey("self", null=True, on_delete=models.SET_NULL)
    tags = models.ManyToManyField(Tag, related_name="customers")


class GoodCustomer(Customer):
    class Meta:
        proxy = True


@audited_model
class Order(models.Model):
    number = models.CharField(primary_key=True, max_length=20)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")
    state = models.CharField(max_length=10, default="new", db_default="new")


@audited_model(entity="position")
class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    amount = models.IntegerField(default=1)


@audited_model
class Complaint(models.Model):
    customer = models.ForeignKey(Customer, null=True, on_delete=models.SET_NULL, related_name="complaints")
    changed = models.DateTimeField(auto_now=True)


class Thing(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        abstract = True


@audited_model
class Person(Thing):
    pass


class Employee(Person):
    salary = models.IntegerField(default=0)


@audited_model
class Device(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=20)


@audited_model
class Seat(models.Model):
    pk = models.CompositePrimaryKey("room", "place")
    room = models.IntegerField()
    place = models.IntegerField()
    guest = models.CharField(max_length=20, blank=True)


class Ignored(models.Model):
    name = models.CharField(max_length=20)
