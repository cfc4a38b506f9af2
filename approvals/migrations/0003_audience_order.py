from django.db import migrations, models


FILL = """
    UPDATE approvals_requestaudience a SET opened_at = r.opened_at, due_at = coalesce(r.deadline_at, 9007199254740991),
           closed_at = r.decided_at
      FROM approvals_approvalrequest r WHERE r.id = a.request_id
"""


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0002_apitoken'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='approvalrequest',
            name='approvals_request_inbox',
        ),
        migrations.RemoveIndex(
            model_name='requestaudience',
            name='approvals_audience_open',
        ),
        migrations.AddField(
            model_name='requestaudience',
            name='closed_at',
            field=models.BigIntegerField(blank=True, null=True, verbose_name='closed at'),
        ),
        migrations.AddField(
            model_name='requestaudience',
            name='due_at',
            field=models.BigIntegerField(default=9007199254740991, verbose_name='deadline'),
        ),
        migrations.AddField(
            model_name='requestaudience',
            name='opened_at',
            field=models.BigIntegerField(default=0, verbose_name='asked at'),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='requestaudience',
            index=models.Index(condition=models.Q(('is_open', True)), fields=['principal', 'role', 'due_at', 'opened_at', 'request'], name='approvals_audience_inbox'),
        ),
        migrations.AddIndex(
            model_name='requestaudience',
            index=models.Index(condition=models.Q(('is_open', False), ('role__in', ['asked', 'done'])), fields=['principal', '-closed_at', '-request'], name='approvals_audience_archive'),
        ),
    ]
