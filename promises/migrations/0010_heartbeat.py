"""A heartbeat waits for nobody."""

from django.db import migrations

from promises import sql


class Migration(migrations.Migration):
    dependencies = [("promises", "0009_schedules")]

    operations = [migrations.RunPython(sql.install, sql.remove)]
