"""What a task had recorded when its worker last died, so that a crash after progress is no crash loop."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("promises", "0002_functions")]

    operations = [
        migrations.AddField("task", "progress", models.IntegerField(default=0)),
    ]
