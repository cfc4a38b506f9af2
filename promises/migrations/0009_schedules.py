"""Schedules have a time zone, can be paused, and know whether the code declares them."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("promises", "0008_crash_place")]

    operations = [
        migrations.AddField("schedule", "time_zone", models.TextField(default="UTC")),
        migrations.AddField("schedule", "paused_at", models.BigIntegerField(blank=True, null=True)),
        migrations.AddField("schedule", "pause_reason", models.TextField(blank=True, default="")),
        migrations.AddField("schedule", "is_declared", models.BooleanField(default=False)),
        migrations.RemoveIndex("schedule", "promises_schedule_due"),
        migrations.AddIndex(
            "schedule",
            models.Index(fields=["next_run_at"], condition=Q(paused_at__isnull=True), name="promises_schedule_due"),
        ),
    ]
