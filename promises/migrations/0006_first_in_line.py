"""The index of a queue without limits."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("promises", "0005_graphs")]

    operations = [
        migrations.AddIndex(
            "task",
            models.Index(fields=["target", "rank"], condition=Q(rank__isnull=False), name="promises_task_first"),
        ),
    ]
