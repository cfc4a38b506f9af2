"""A call graph is canceled by one verb; the few halted tasks are found without looking at all."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("promises", "0004_claims")]

    operations = [
        migrations.AddIndex(
            "task",
            models.Index(fields=["id"], condition=models.Q(state="halted"), name="promises_task_halted"),
        ),
    ]
