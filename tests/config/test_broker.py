"""The broker's settings, and pgmq on a database without the extension."""

import pytest
from django.db import connection

from config.broker import OWN_DATABASE, broker_settings, database_conninfo, pgmq_install


def test_without_an_address_the_broker_is_the_database():
    settings = broker_settings("", {"NAME": "countersign", "HOST": "/some/folder", "USER": "postgres"})
    assert settings.url == OWN_DATABASE
    assert settings.transport_options["conn_string"] == "dbname=countersign user=postgres host=/some/folder"


def test_another_broker_keeps_its_address():
    assert broker_settings("amqp://broker.example/", {}).url == "amqp://broker.example/"
    assert broker_settings("redis://broker.example/0", {}).transport_options["visibility_timeout"] > 0


def test_options_of_the_database_reach_the_broker():
    conninfo = database_conninfo({"NAME": "a b", "OPTIONS": {"sslmode": "require", "connect_timeout": 5}})
    assert conninfo == "sslmode=require connect_timeout=5 dbname='a b'"


@pytest.mark.django_db(transaction=True)
def test_pgmq_is_installed_once():
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("drop schema if exists pgmq cascade")
    assert pgmq_install(connection.connection) is True
    assert pgmq_install(connection.connection) is False
