"""Where a task's worker died is told from what it had recorded; only functions changed, which the newest migration
installs."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("promises", "0007_ready_at")]

    operations = []
