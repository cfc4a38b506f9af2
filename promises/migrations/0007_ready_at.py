"""Since when a task was ready before its lease: what its wake-up took."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("promises", "0006_first_in_line")]

    operations = [
        migrations.AddField("task", "ready_at", models.BigIntegerField(blank=True, null=True)),
        migrations.AddIndex(
            "task",
            models.Index(fields=["target"], condition=Q(state="suspended"), name="promises_task_suspended"),
        ),
    ]
