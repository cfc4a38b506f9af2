"""The storage settings of the tables that the verbs update all the time. (The verbs are installed by the newest
migration that does so: they are written for its tables.)"""

from django.db import migrations

# Keys sort bytewise (collation "C"), so Django's extra pattern index beside each text key would be a second copy of it.
DROP_COPIES = """
    DROP INDEX IF EXISTS promises_promise_id_c705a916_like;
    DROP INDEX IF EXISTS promises_task_id_c2b0b9f2_like;
"""

# Room on the page for the next version of a row: tasks change several times in their life, promises at most once.
TUNE = """
    ALTER TABLE promises_task SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
    ALTER TABLE promises_promise SET (fillfactor = 95, autovacuum_vacuum_scale_factor = 0.05);
    ALTER TABLE promises_callback SET (autovacuum_vacuum_scale_factor = 0.02);
"""
RESET = """
    ALTER TABLE promises_task RESET (fillfactor, autovacuum_vacuum_scale_factor);
    ALTER TABLE promises_promise RESET (fillfactor, autovacuum_vacuum_scale_factor);
    ALTER TABLE promises_callback RESET (autovacuum_vacuum_scale_factor);
"""


class Migration(migrations.Migration):
    dependencies = [("promises", "0001_initial")]

    operations = [
        migrations.RunSQL(DROP_COPIES, migrations.RunSQL.noop),
        migrations.RunSQL(TUNE, RESET),
    ]
