"""A task that is halted for its crashes says after which call they came."""

from django.db import migrations

from promises import sql


class Migration(migrations.Migration):
    dependencies = [("promises", "0007_ready_at")]

    operations = [migrations.RunPython(sql.install, sql.remove)]
