"""What a worker needs to choose the next task by itself: lines, ranks, limits."""

from django.db import migrations, models
from django.db.models import Q

# Tasks that were ready before there were ranks.
RANK = """
    UPDATE promises_task t SET func = coalesce(p.tags ->> 'countersign:func', ''), is_started = t.version > 0,
           rank = CASE WHEN t.state = 'pending' AND p.tags ->> 'resonate:timer' IS DISTINCT FROM 'true' AND t.dispatches > 0
                       THEN p.created_at END
      FROM promises_promise p WHERE p.id = t.id AND t.state <> 'fulfilled';
"""


class Migration(migrations.Migration):
    dependencies = [("promises", "0003_task_progress")]

    operations = [
        migrations.CreateModel(
            name="Limit",
            fields=[
                ("key", models.TextField(primary_key=True, serialize=False)),
                ("concurrency", models.IntegerField(blank=True, null=True)),
                ("rate", models.IntegerField(blank=True, null=True)),
                ("period_ms", models.BigIntegerField(blank=True, null=True)),
                ("tokens", models.FloatField(blank=True, editable=False, null=True)),
                ("refilled_at", models.BigIntegerField(default=0, editable=False)),
                ("is_overridden", models.BooleanField(default=False)),
            ],
            options={"verbose_name": "limit", "verbose_name_plural": "limits"},
        ),
        migrations.AddField("task", "func", models.TextField(default="")),
        migrations.AddField("task", "is_started", models.BooleanField(default=False)),
        migrations.AddField("task", "priority", models.SmallIntegerField(default=0)),
        migrations.AddField("task", "rank", models.BigIntegerField(blank=True, null=True)),
        migrations.RunSQL(RANK, migrations.RunSQL.noop),
        migrations.AddIndex(
            "task",
            models.Index(
                fields=["target", "func", "is_started", "rank"],
                condition=Q(rank__isnull=False),
                name="promises_task_ready",
            ),
        ),
        migrations.AddIndex(
            "task", models.Index(fields=["func", "target"], condition=Q(state="acquired"), name="promises_task_held")
        ),
    ]
