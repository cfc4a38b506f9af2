"""The demo's people: there after one call, untouched by the next, and never outside demo mode."""

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db
User = get_user_model()


def names(group: str) -> list[str]:
    return sorted(Group.objects.get(name=group).user_set.values_list("username", flat=True))


def test_everybody_is_there_with_the_known_password(capsys):
    call_command("demo")
    assert names("finance") == ["bob", "carol"]
    assert names("sre") == ["dave", "erin", "frank"]
    assert authenticate(username="ana", password="demo") is not None
    assert list(User.objects.filter(is_superuser=True).values_list("username", flat=True)) == ["admin"]
    assert "ana, bob, carol" in capsys.readouterr().out


def test_a_second_time_changes_nothing():
    call_command("demo", verbosity=0)
    bob = User.objects.get(username="bob")
    bob.set_password("his own")
    bob.save()
    bob.groups.clear()
    call_command("demo", verbosity=0)
    assert User.objects.count() == 7
    assert authenticate(username="bob", password="his own") == bob
    assert not bob.groups.exists()


def test_an_account_that_was_there_gets_no_rights():
    User.objects.create_user("admin", password="not the demo's")
    call_command("demo", verbosity=0)
    assert not User.objects.get(username="admin").is_superuser


def test_outside_demo_mode_it_refuses(settings):
    settings.COUNTERSIGN_DEMO = False
    with pytest.raises(CommandError, match="COUNTERSIGN_DEMO=1"):
        call_command("demo")
    assert not User.objects.exists()
